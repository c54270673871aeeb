package audit

import (
	"context"
	"fmt"

	"github.com/multimail/multimail/internal/store"
)

// Standing is what the store says of a mail now. A record that cannot be read
// has its id alone, and why.
type Standing struct {
	Mail   string
	Rev    int
	State  string
	Basis  string
	Digest string
	Damage string
}

// checkRecords compares the mails of the store with the log, both ways: each
// must stand as its newest entry left it, and none may be gone.
func (v *verifier) checkRecords(ctx context.Context, l *Log, db store.Store) error {
	if v.o.Records == nil {
		return nil
	}
	for after := ""; ; {
		n := 0
		err := db.View(ctx, func(tx store.Tx) error {
			page, err := v.o.Records(tx, after, pageEntries)
			if err != nil {
				return fmt.Errorf("audit: records: %w", err)
			}
			n = len(page)
			for _, m := range page {
				if err := v.checkRecord(tx, l, m); err != nil {
					return err
				}
				after = m.Mail
			}
			return nil
		})
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
	}
	missing := ""
	for id, s := range v.mails {
		if !s.recorded && (missing == "" || id < missing) {
			missing = id
		}
	}
	if missing != "" {
		return &Fault{Why: "mail " + missing + ": the log has entries of it and the store has no record"}
	}
	return nil
}

// checkRecord holds a record against the log. What moved since its entries were
// replayed must have a newer entry, which is read in the same transaction.
func (v *verifier) checkRecord(tx store.Tx, l *Log, m Standing) error {
	fault := func(format string, args ...any) error {
		return &Fault{Why: "mail " + m.Mail + ": " + fmt.Sprintf(format, args...)}
	}
	if m.Damage != "" {
		return fault("the record is damaged: %s", m.Damage)
	}
	s := v.mails[m.Mail]
	if s != nil {
		s.recorded = true
		if s.rev == m.Rev {
			return disagree(fault, m, s.to, s.basis, s.digest)
		}
	}
	all, err := l.ByMail(tx, m.Mail)
	if err != nil {
		return err
	}
	var last *Entry
	for i, e := range all {
		if e.parsed.Kind.Transition() && (last == nil || e.parsed.Rev > last.parsed.Rev) {
			last = &all[i]
		}
	}
	switch {
	case last == nil:
		return fault("the log has no entry of it")
	case last.parsed.Rev != m.Rev:
		return fault("its record has revision %d, its newest entry %d", m.Rev, last.parsed.Rev)
	}
	if c := v.chains[last.Chain()]; c != nil && last.Seq() < c.tree.size {
		return fault("its record has another revision than its entries")
	}
	return disagree(fault, m, last.parsed.Facts["to"], last.parsed.Facts["basis_after"], last.parsed.Digest)
}

func disagree(fault func(string, ...any) error, m Standing, to, basis, digest string) error {
	switch {
	case m.State != to:
		return fault("its record says %s, the log says %s", m.State, to)
	case m.Basis != basis:
		return fault("its record stands on %s, in the log on %s", m.Basis, basis)
	case m.Digest != digest:
		return fault("its record has another digest than the log")
	}
	return nil
}
