package audit

import "fmt"

// standing is how the entries of one mail leave it. It is all that is kept of
// a mail while the log is read: its size does not grow with the entries.
type standing struct {
	rev       int
	to, basis string // its state and what it stands on
	digest    string
	approved  bool // an approval stands behind it that no hold made void
	recorded  bool // the store has a record of it
}

// replay holds an entry that changes a mail against those of the same mail
// before it, and has the checker replay the decision in it.
func (v *verifier) replay(c *chain, p leaf) error {
	if v.o.Replay == nil || !p.Kind.Transition() {
		return nil
	}
	if p.Mail == "" || p.Digest == "" {
		return fmt.Errorf("a change of a mail that names no mail or no digest")
	}
	if err := v.o.Replay(string(p.Kind), p.Facts); err != nil {
		return fmt.Errorf("mail %s: %w", p.Mail, err)
	}
	s := v.mails[p.Mail]
	if s == nil {
		first, err := c.first(p)
		if err != nil {
			return err
		}
		s = first
		v.mails[p.Mail] = s
	}
	if err := s.follow(p); err != nil {
		return fmt.Errorf("mail %s: %w", p.Mail, err)
	}
	return nil
}

// first returns the standing before the first entry of a mail. Where the
// beginning of the chain is not in the export, that is what the entry says.
func (c *chain) first(p leaf) (*standing, error) {
	if p.Facts["from"] == "new" {
		return &standing{to: "new", basis: p.Facts["basis"], digest: p.Digest}, nil
	}
	if c.start == 0 {
		return nil, fmt.Errorf("mail %s: its first entry is %s: the submission is missing", p.Mail, p.Kind)
	}
	basis := p.Facts["basis"]
	return &standing{rev: p.Rev - 1, to: p.Facts["from"], basis: basis, digest: p.Digest,
		approved: basis == "approved"}, nil
}

// follow makes the step of an entry.
func (s *standing) follow(p leaf) error {
	f := p.Facts
	switch {
	case p.Rev != s.rev+1:
		return fmt.Errorf("revision %d follows revision %d: entries of the mail are missing or repeated", p.Rev, s.rev)
	case p.Digest != s.digest:
		return fmt.Errorf("the digest is not that of the entries before")
	case f["from"] != s.to:
		return fmt.Errorf("it begins in %q, the entry before left it in %q", f["from"], s.to)
	case f["basis"] != s.basis:
		return fmt.Errorf("it stands on %q, the entry before left it on %q", f["basis"], s.basis)
	}
	switch p.Kind {
	case MailApprove:
		s.approved = true
	case MailHold:
		s.approved = false
	case MailClaim:
		if f["basis_after"] == "approved" && !s.approved {
			return fmt.Errorf("it was released as approved and no approval is in the log")
		}
	}
	s.rev, s.to, s.basis = p.Rev, f["to"], f["basis_after"]
	return nil
}
