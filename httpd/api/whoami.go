package api

// Identity is who a credential speaks for and what it may do.
type Identity struct {
	Kind      string   `json:"kind" doc:"agent, approver, admin, socket"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes" doc:"read, send, oversight, oversight_read, admin"`
	Mailboxes []string `json:"mailboxes,omitempty" doc:"of an agent"`
}

// Has reports whether the credential holds a scope. None implies another.
func (i Identity) Has(scope string) bool {
	for _, s := range i.Scopes {
		if s == scope {
			return true
		}
	}
	return false
}
