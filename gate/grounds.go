package gate

import (
	"fmt"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// grounds reads what policy says of a ready mail now, and whether the log bears
// out what its record says; doubt is why not.
func (g *Gate) grounds(tx store.Tx, m *mail.Mail) (f step.Facts, t terms, doubt string, err error) {
	if f, err = g.Facts(tx, m); err != nil {
		return f, t, "", err
	}
	if doubt, err = g.doubt(tx, m); err != nil {
		return f, t, "", fmt.Errorf("gate: grounds of %s: %w", m.ID, err)
	}
	f.Intact = doubt == ""
	if t, err = g.terms(tx, m, step.Step(f, step.Claim).Basis); err != nil {
		return f, t, "", fmt.Errorf("gate: terms of %s: %w", m.ID, err)
	}
	return f, t, doubt, nil
}

// doubt says why the log does not bear out the record of a mail that is about
// to leave, or "" when it does. The record is only what the disk says now; what
// was decided is in the log (invariant 2), so the claim asks there, in its own
// transaction. An error means that the log cannot be read: nothing leaves then.
func (g *Gate) doubt(tx store.Tx, m *mail.Mail) (string, error) {
	entries, err := g.log.ByMail(tx, string(m.ID))
	if err != nil {
		return "", err
	}
	last := newest(entries)
	switch {
	case last == nil:
		return "the log has no entry of the mail", nil
	case last.Rev != m.Rev || last.Facts["to"] != m.State.String() || last.Facts["basis_after"] != m.Basis.String():
		return "the newest entry leaves the mail in another state", nil
	case last.Digest != string(m.Digest):
		return "the newest entry names another digest", nil
	}
	ref := m.SubmitRef
	if m.Basis == mail.Approved {
		var why string
		if ref, why = approval(m, entries); why != "" {
			return why, nil
		}
	} else if e := find(entries, ref); e == nil || e.Record().Kind != audit.MailSubmit ||
		e.Record().Digest != string(m.Digest) {
		return "the submission is not in the log", nil
	}
	if m.Release != nil && m.Release.Basis == m.Basis && m.Release.Ref != ref {
		return "the release names another entry", nil
	}
	return "", nil
}

// approval finds the entry of the decision that a release stands on.
func approval(m *mail.Mail, entries []audit.Entry) (ref, why string) {
	if len(m.Decisions) == 0 {
		return "", "the record has no decision"
	}
	d := m.Decisions[len(m.Decisions)-1]
	e := find(entries, d.Ref)
	if e == nil {
		return "", "the approval is not in the log"
	}
	r := e.Record()
	switch {
	case r.Kind != audit.MailApprove || !d.Approve:
		return "", "the entry that the decision names is no approval"
	case r.Digest != string(m.Digest) || d.Digest != m.Digest:
		return "", "the approval is of another digest"
	case d.Chain != "" && (d.Chain != e.Chain() || d.Seq != e.Seq()):
		return "", "the approval stands in another place of the log"
	case r.Actor.ID != d.Principal: // where the opening with the name is gone, it is nobody's
		return "", "the approval is of another principal"
	}
	for _, later := range entries {
		if x := later.Record(); x.Kind == audit.MailHold && x.Rev > r.Rev {
			return "", "the approval was void before the release"
		}
	}
	return d.Ref, ""
}

// newest returns the entry of the last transition.
func newest(entries []audit.Entry) *audit.Record {
	var last *audit.Record
	for _, e := range entries {
		if r := e.Record(); r.Kind.Transition() && (last == nil || r.Rev > last.Rev) {
			last = &r
		}
	}
	return last
}

func find(entries []audit.Entry, hash string) *audit.Entry {
	for i := range entries {
		if entries[i].Hash.String() == hash {
			return &entries[i]
		}
	}
	return nil
}

// because is the fact in which an entry says what was found.
func because(doubt string) map[string]string {
	if doubt == "" {
		return nil
	}
	return map[string]string{"doubt": doubt}
}
