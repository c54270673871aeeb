package registry

import (
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
)

// Agent is a principal that may submit mail from the mailboxes it uses.
type Agent struct {
	Name      string    `json:"name"`
	Ref       string    `json:"ref,omitempty"` // its name at its identity provider
	Disabled  bool      `json:"disabled,omitempty"`
	CreatedAt time.Time `json:"created_at"`
}

// AddAgent adds an agent and returns its password, which is shown this once.
// Admins and the socket may; an approver who could make a sender would hold
// both scopes (invariant 4).
func (r *Registry) AddAgent(
	tx store.Tx, actor Principal, name, ref string,
) (Agent, string, error) {
	p, err := r.authorize(tx, actor, configure)
	if err != nil {
		return Agent{}, "", err
	}
	if err := checkText("reference of the agent", ref, 128); err != nil {
		return Agent{}, "", err
	}
	if err := r.addAgent(tx, p, name, ref); err != nil {
		return Agent{}, "", err
	}
	secret, err := newPassword(tx, p, name)
	if err != nil {
		return Agent{}, "", err
	}
	a, err := r.Agent(tx, name)
	return a, secret, err
}

// addAgent adds an agent without a password.
func (r *Registry) addAgent(tx store.Tx, p Principal, name, ref string) error {
	if err := r.claimName(tx, name, KindAgent); err != nil {
		return err
	}
	if err := put(tx, agentKey+name, Agent{Name: name, Ref: ref, CreatedAt: tx.Now()}); err != nil {
		return err
	}
	return r.note(tx, p, audit.AgentAdd, details{"agent": name, "agent_ref": ref}, nil)
}

// Agent returns an agent, or ErrNotFound.
func (r *Registry) Agent(tx store.Tx, name string) (Agent, error) {
	if !validName(name) {
		return Agent{}, in(ErrNotFound, "no such agent")
	}
	a, ok, err := get[Agent](tx, agentKey+name)
	if err == nil && !ok {
		err = in(ErrNotFound, "no agent %q", name)
	}
	return a, err
}

// Agents returns every agent by name.
func (r *Registry) Agents(tx store.Tx) ([]Agent, error) { return list[Agent](tx, agentKey) }

// DisableAgent ends every credential of the agent and freezes its mail. The
// credentials themselves stay and work again when it is enabled.
func (r *Registry) DisableAgent(tx store.Tx, actor Principal, name string) error {
	p, err := r.authorize(tx, actor, stop)
	if err != nil {
		return err
	}
	return r.switchAgent(tx, p, name, true)
}

// EnableAgent undoes DisableAgent. It is loosening.
func (r *Registry) EnableAgent(tx store.Tx, actor Principal, name string) error {
	p, err := r.authorize(tx, actor, either(release, configure))
	if err != nil {
		return err
	}
	if !release(p) {
		return errLoosen("enabling an agent")
	}
	return r.switchAgent(tx, p, name, false)
}

func (r *Registry) switchAgent(tx store.Tx, p Principal, name string, off bool) error {
	a, err := r.Agent(tx, name)
	if err != nil || a.Disabled == off {
		return err
	}
	a.Disabled = off
	if err := put(tx, agentKey+name, a); err != nil {
		return err
	}
	kind := audit.AgentEnable
	if off {
		kind = audit.AgentDisable
	}
	return r.policy(tx, p, kind, details{"agent": name}, nil)
}
