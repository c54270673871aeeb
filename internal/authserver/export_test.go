package authserver

// Space is where the records stand.
var Space = space

// MatchRedirect reports whether a client that has the redirect URI known has asked.
func MatchRedirect(known, asked string) bool {
	_, ok := Client{Redirects: []string{known}}.hasRedirect(asked)
	return ok
}
