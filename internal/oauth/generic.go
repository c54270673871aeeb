package oauth

// shapeGeneric finds out who acts by the claims that the configuration names. An
// agent acts for a person where the token names one beside the agent.
func shapeGeneric(a *attempt) (err error) {
	conf, t := a.origin.issuer.conf, &a.token
	if t.Client, err = a.claims.identifier(conf.ObjectClaim); err != nil {
		return err
	}
	t.Shape, t.Object = ShapeAutonomous, t.Client
	if a.claims.has(conf.PersonClaim) {
		person, err := a.claims.identifier(conf.PersonClaim)
		if err != nil {
			return err
		}
		if person != t.Client {
			t.Shape, t.Object = ShapeDelegated, person
		}
	}
	if a.claims[conf.ScopeClaim].Kind() == '[' {
		a.values, err = a.claims.list(conf.ScopeClaim)
	} else {
		a.values, err = a.claims.words(conf.ScopeClaim)
	}
	if err == nil && len(a.values) == 0 {
		return hintf("%s is missing: this may be an id token; send the access token", conf.ScopeClaim)
	}
	return err
}
