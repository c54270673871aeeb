package mail

import (
	"strings"
	"time"
)

// Person is a human as an issuer of tokens names one: never by a mail address,
// which may be given to somebody else later.
type Person struct {
	Issuer string `json:"issuer"` // name of the issuer in the configuration
	Tenant string `json:"tenant,omitempty"`
	ID     string `json:"id"` // object id in the tenant
}

// IsZero reports whether p is nobody.
func (p Person) IsZero() bool { return p == Person{} }

// String returns "issuer:tenant:id", "" for nobody.
func (p Person) String() string {
	if p.IsZero() {
		return ""
	}
	return strings.Join([]string{p.Issuer, p.Tenant, p.ID}, ":")
}

// Identity is how the issuer of its token names the agent that submitted a mail.
// It is for approvers and the audit log; of all this only the agent's own id may
// stand in the identity header, and the person never does.
type Identity struct {
	Issuer    string `json:"issuer"` // name of the issuer in the configuration
	Tenant    string `json:"tenant,omitempty"`
	Agent     string `json:"agent"` // object id of the agent
	Client    string `json:"client,omitempty"`
	Blueprint string `json:"blueprint,omitempty"` // what the agent was made from
	Shape     string `json:"shape"`               // autonomous, on_behalf_of or agent_account
	Person    Person `json:"person,omitzero"`     // whom it acted for; never decides over the mail
}

// Submitter is who submitted a mail, and the person that it acted for.
type Submitter struct {
	Author string    `json:"author"`
	Person Person    `json:"person,omitzero"`
	At     time.Time `json:"at"`
}

// Submitters are all who count as submitters of m: of itself, and of the scheduled mails that
// it was edited from, whose words it may still have.
func (m *Mail) Submitters() []Submitter {
	own := Submitter{Author: m.Author, At: m.SubmittedAt}
	if m.Identity != nil {
		own.Person = m.Identity.Person
	}
	out := []Submitter{own}
	for _, e := range m.Earlier {
		if e.Author != own.Author || e.Person != own.Person {
			out = append(out, e)
		}
	}
	return out
}
