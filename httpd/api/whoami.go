package api

import (
	"slices"
	"strings"
	"time"
)

// Identity is who a credential speaks for and what it may do.
type Identity struct {
	Kind      string   `json:"kind" doc:"agent, approver, admin, socket"`
	Name      string   `json:"name"`
	Scopes    []string `json:"scopes" doc:"read, send, oversight, oversight_read, admin, audit_read, tighten"`
	Mailboxes []string `json:"mailboxes,omitempty" doc:"of an agent"`

	Credential string    `json:"credential,omitempty" doc:"kind and id of the credential, such as key:ID or grant:ID"`
	Possible   []string  `json:"possible_scopes" doc:"scopes that credentials of this kind can have"`
	Until      time.Time `json:"until,omitzero" doc:"when the token expires; left out: it does not"`
}

// Has reports whether the credential holds a scope. None implies another.
func (i Identity) Has(scope string) bool { return slices.Contains(i.Scopes, scope) }

// Could reports whether a credential of this kind can hold a scope.
func (i Identity) Could(scope string) bool { return slices.Contains(i.Possible, scope) }

// StepsUp reports whether the credential is a token, in whose place its client can get one
// with more scopes.
func (i Identity) StepsUp() bool {
	kind, _, _ := strings.Cut(i.Credential, ":")
	return kind == "grant" || kind == "token"
}
