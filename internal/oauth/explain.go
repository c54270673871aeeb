package oauth

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// Result is one check of one token.
type Result struct {
	Check string `json:"check"`
	// State is "pass", "fail", or "skipped" where an earlier failure left nothing to
	// judge.
	State string `json:"state"`
	Hint  string `json:"hint,omitempty"` // of a failure: what to change
}

// Explanation is everything that can be said of a token without showing it.
type Explanation struct {
	Results []Result          `json:"checks"`
	Failed  string            `json:"failed,omitempty"` // the first check that failed, "" for none
	Claims  map[string]string `json:"claims"`           // of the header and the payload, those that checks read
	Token   Token             `json:"-"`                // what it says here; only whole if Failed is ""
}

// shown lists the claims that an explanation shows, as JSON: not the names and
// addresses of people, which some tokens have too.
var shown = []string{
	"iss", "aud", "ver", "tid", "oid", "azp", "appid", "client_id", "idtyp", "xms_act_fct", "xms_sub_fct",
	"xms_par_app_azp", "scp", "scope", "roles", "iat", "nbf", "exp",
}

// maxShown bounds a value that an explanation shows, in octets.
const maxShown = 512

// Explain runs every check on a token, also behind a failure where that is
// possible. It waits for the first fetch of the keys.
func (v *Verifier) Explain(ctx context.Context, raw string) Explanation {
	a, e, blocked := &attempt{raw: raw, now: v.o.Now()}, Explanation{Claims: map[string]string{}}, false
	if len(raw) <= maxToken {
		v.Ready(ctx)
	}
	for _, c := range checks {
		r := Result{Check: c.name, State: "skipped"}
		if !blocked {
			err := c.run(ctx, v, a)
			switch {
			case err == nil:
				r.State = "pass"
			case !errors.Is(err, errNoKey):
				r.State, r.Hint = "fail", privateText(err)
				if e.Failed == "" {
					e.Failed = c.name
				}
			}
			blocked = err != nil && !c.alone
		}
		e.Results = append(e.Results, r)
	}
	e.Token = a.token
	a.show(e.Claims)
	return e
}

// privateText returns a hint, or what is behind the error of an issuer that
// cannot be asked.
func privateText(err error) string {
	if cause := errors.Unwrap(err); cause != nil {
		return cause.Error() + ": make the issuer reachable, or give its keys in jwks_file"
	}
	return err.Error()
}

func (a *attempt) show(to map[string]string) {
	for name, v := range map[string]string{"alg": a.jws.alg, "kid": a.jws.kid, "typ": a.jws.typ} {
		if v != "" {
			to["header "+name] = cut(v)
		}
	}
	names := slices.Clone(shown)
	if a.origin != nil && !a.origin.issuer.entra() {
		conf := a.origin.issuer.conf
		names = append(names, conf.ObjectClaim, conf.TenantClaim, conf.ScopeClaim)
	}
	for _, name := range names {
		if a.claims.has(name) {
			to[name] = cut(strings.Trim(a.claims[name].String(), `"`))
		}
	}
}

func cut(s string) string {
	if len(s) > maxShown {
		return strings.ToValidUTF8(s[:maxShown], "") + "…"
	}
	return s
}
