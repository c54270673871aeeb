package oauth

import (
	"regexp"
	"slices"
	"strings"
)

// Facets of Entra Agent ID, in xms_act_fct (of who acts) and xms_sub_fct (of the
// subject): numbers with blanks between them, in no order. Others mean nothing here.
const (
	facetAgent   = "11" // an agent identity
	facetAccount = "13" // the user account of an agent
)

var (
	objectID = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`)
	facet    = regexp.MustCompile(`^[0-9]{1,6}$`)
)

// normalGUID returns a GUID in the one spelling that the configuration and bindings have, "" for
// what is none. Other ids are compared as they are.
func normalGUID(s string) string {
	if s = strings.ToLower(s); objectID.MatchString(s) {
		return s
	}
	return ""
}

// versions names the claims that differ between the versions of Entra's tokens.
var versions = map[int]struct{ ver, client string }{1: {"1.0", "appid"}, 2: {"2.0", "azp"}}

// entra reads the claims of a token of Microsoft Entra.
type entra struct {
	act, sub    []string // facets
	idtyp       string
	scp, roles  []string
	object, app string
	blueprint   string
}

func readEntra(c claims, version int) (e entra, err error) {
	v := versions[version]
	ver, err := c.text("ver")
	if err != nil {
		return e, err
	}
	if ver != "" && ver != v.ver {
		return e, hintf("ver is %.100q, but iss is that of version %s", ver, v.ver)
	}
	for name, to := range map[string]*string{"oid": &e.object, v.client: &e.app} {
		if *to, err = c.identifier(name); err != nil {
			return e, err
		}
		if *to = normalGUID(*to); *to == "" {
			return e, hintf("%s is not a GUID", name)
		}
	}
	for name, to := range map[string]*[]string{"xms_act_fct": &e.act, "xms_sub_fct": &e.sub, "scp": &e.scp} {
		if *to, err = c.words(name); err != nil {
			return e, err
		}
	}
	for _, f := range slices.Concat(e.act, e.sub) {
		if !facet.MatchString(f) {
			return e, hintf("xms_act_fct or xms_sub_fct is not numbers with blanks between them")
		}
	}
	if slices.Equal(e.scp, []string{"/"}) { // what tokens of an application have in place of none
		e.scp = nil
	}
	if e.roles, err = c.list("roles"); err != nil {
		return e, err
	}
	if e.idtyp, err = c.text("idtyp"); err != nil {
		return e, err
	}
	if c.has("xms_par_app_azp") {
		e.blueprint, err = c.identifier("xms_par_app_azp")
	}
	return e, err
}

// shapeEntra finds out who acts. What is not one of the four shapes is refused.
func shapeEntra(a *attempt) error {
	e, err := readEntra(a.claims, a.origin.version)
	if err != nil {
		return err
	}
	t := &a.token
	t.Object, t.Client, t.Blueprint = e.object, e.app, e.blueprint
	switch {
	case e.idtyp == "app":
		t.Shape, a.values, a.roles = ShapeAutonomous, e.roles, e.roles
		return e.checkApplication()
	case e.idtyp != "" && e.idtyp != "user":
		return hintf("idtyp is %.100q; only app and user are taken", e.idtyp)
	case len(e.scp) == 0 && len(e.roles) > 0:
		return hintf("roles without idtyp and without scp: for an agent of its own add the optional claim idtyp to the " +
			"access tokens of the registration; for one on behalf of a person ask for a delegated scope")
	case len(e.scp) == 0:
		return hintf("no scp and no idtyp app: this may be an id token; " +
			"send the access token, which was asked for with a scope of this server's registration")
	}
	a.values = e.scp
	t.Shape, err = e.delegated()
	return err
}

// checkApplication judges a token that an application got for itself.
func (e entra) checkApplication() error {
	switch has := slices.Contains[[]string]; {
	case len(e.scp) > 0:
		return hintf("idtyp is app, and scp is %.100q: a token of an application has roles only", strings.Join(e.scp, " "))
	case !has(e.act, facetAgent) || !has(e.sub, facetAgent):
		return hintf("idtyp is app, but xms_act_fct and xms_sub_fct do not both have %s: the application is not an "+
			"agent identity; make one from a blueprint in Entra Agent ID and get the token with it", facetAgent)
	case has(e.act, facetAccount) || has(e.sub, facetAccount):
		return hintf("idtyp is app, but a facet says user account (%s)", facetAccount)
	}
	return nil
}

// delegated judges a token of an application that acts for a user.
func (e entra) delegated() (Shape, error) {
	has := slices.Contains[[]string]
	agent, account := has(e.act, facetAgent), has(e.sub, facetAccount)
	switch {
	case has(e.act, facetAccount) || has(e.sub, facetAgent):
		return "", hintf("xms_act_fct %q and xms_sub_fct %q fit no shape: who acts is an agent identity (%s), "+
			"and the subject a person or an agent's user account (%s)", e.act, e.sub, facetAgent, facetAccount)
	case agent && account:
		return ShapeAccount, nil
	case agent:
		return ShapeDelegated, nil
	case account || e.blueprint != "":
		return "", hintf("xms_par_app_azp or xms_sub_fct says agent, and xms_act_fct does not have %s", facetAgent)
	}
	return ShapePerson, nil
}
