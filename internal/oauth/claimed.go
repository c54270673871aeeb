package oauth

import "time"

// Shape says who a token speaks of.
type Shape string

// The shapes of tokens.
const (
	ShapeAutonomous Shape = "autonomous"    // an agent acts by itself
	ShapeDelegated  Shape = "on_behalf_of"  // an agent acts for a person
	ShapeAccount    Shape = "agent_account" // an agent acts as a user account of its own
	ShapePerson     Shape = "person"        // a person acts
)

// Scope is a scope of this server that a token is mapped to.
type Scope string

// The scopes, in the order in which a token has them. No token maps to admin.
const (
	ScopeRead          Scope = "read"
	ScopeSend          Scope = "send"
	ScopeOversight     Scope = "oversight"
	ScopeOversightRead Scope = "oversight_read"
	ScopeAuditRead     Scope = "audit_read"
	ScopeTighten       Scope = "tighten"
)

// Token is what a token says that has passed every check.
type Token struct {
	Issuer    string // name of the [[issuer]]
	Tenant    string // "" for an issuer without tenants
	Shape     Shape  // decides what Object names
	Object    string // id of the agent, of its user account, or of the person: by shape
	Client    string // id of the client that asked for the token: of the agent, but for a person
	Blueprint string // what the agent was made from; recorded, never a right
	Scopes    []Scope
	Expires   time.Time // exp, with the skew that the issuer is allowed
	ID        string    // names the token in the log: 22 characters, from its hash
	// Mailbox is the address of the mailbox to make with an agent that is not bound
	// yet, "" where [[issuer.provision]] makes none.
	Mailbox string
}
