package gate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

// rewrite changes the stored record of a mail behind everybody's back.
func (h *fixture) rewrite(id mail.ID, change func(m *mail.Mail)) {
	h.Helper()
	h.Update(func(tx store.Tx) error {
		b, err := storetest.Records(tx).Get("mail/" + string(id))
		if err != nil {
			return err
		}
		var m mail.Mail
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		change(&m)
		if b, err = json.Marshal(m); err != nil {
			return err
		}
		return storetest.Records(tx).Put("mail/"+string(id), b)
	})
}

// Invariant 7: what leaves is what the log says was decided, whatever stands in the
// record on disk.
func TestTheClaimSendsNothingThatTheLogDoesNotBearOut(t *testing.T) {
	for name, change := range map[string]func(m *mail.Mail){
		"another approver":            func(m *mail.Mail) { m.Decisions[0].Principal = "approver:eve" },
		"an agent for an approver":    func(m *mail.Mail) { m.Decisions[0].Principal = "agent:bot" },
		"a rejection":                 func(m *mail.Mail) { m.Decisions[0].Approve = false },
		"no decision":                 func(m *mail.Mail) { m.Decisions = nil },
		"the entry of the submission": func(m *mail.Mail) { m.Decisions[0].Ref = m.SubmitRef },
		"an entry that is not there":  func(m *mail.Mail) { m.Decisions[0].Ref = strings.Repeat("ab", 32) },
		"another chain":               func(m *mail.Mail) { m.Decisions[0].Chain = "other" },
		"another place":               func(m *mail.Mail) { m.Decisions[0].Seq++ },
		"another digest":              func(m *mail.Mail) { m.Decisions[0].Digest = mail.Digest(strings.Repeat("0", 64)) },
		"another basis":               func(m *mail.Mail) { m.Basis = mail.Open },
		"another revision":            func(m *mail.Mail) { m.Rev += 2 },
	} {
		t.Run(name, func(t *testing.T) {
			h := build(t)
			m := h.Approve(h.Submit())
			h.rewrite(m.ID, change)
			m = h.RunUntil(m.ID, mail.Held, mail.Sent)
			if m.State != mail.Held || len(h.Hop.Sent()) != 0 {
				t.Fatalf("the mail is %s, %d were sent", m.State, len(h.Hop.Sent()))
			}
			h.View(func(tx store.Tx) error {
				entries, err := h.Audit.ByMail(tx, string(m.ID))
				r := entries[len(entries)-1].Record()
				if r.Kind != audit.MailHold || r.Facts["doubt"] == "" || r.Facts["intact"] != "false" {
					t.Errorf("the log says %s %v", r.Kind, r.Facts)
				}
				return err
			})
		})
	}
}

func TestAMailWithoutItsSubmissionInTheLogIsNotSent(t *testing.T) {
	h := build(t)
	h.SetMode(mail.Autonomous)
	m := h.Submit()
	h.rewrite(m.ID, func(m *mail.Mail) { m.SubmitRef = strings.Repeat("cd", 32) })
	if m = h.RunUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Held {
		t.Errorf("without its submission the mail is %s", m.State)
	}
	if n := len(h.Hop.Sent()); n != 0 {
		t.Errorf("%d were sent", n)
	}
}

// An approval that a hold made void cannot be put back into the record.
func TestAnApprovalThatAHoldMadeVoidReleasesNothing(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	old := m.Decisions
	if _, err := h.Gate.Hold(h.ctx, h.Approver, m.ID); err != nil {
		t.Fatal(err)
	}
	m = h.Approve(h.Mail(m.ID))
	h.rewrite(m.ID, func(m *mail.Mail) { m.Decisions = old })
	if m = h.RunUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Held {
		t.Errorf("the mail is %s", m.State)
	}
}

// Whoever takes the name out of an approval could put another one into the record.
func TestAnApprovalWhoseNameIsGoneReleasesNothing(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	d := m.Decisions[0]
	h.Update(func(tx store.Tx) error {
		return storetest.Records(tx).Delete(fmt.Sprintf("audit-open/%s/%016x", d.Chain, d.Seq))
	})
	if m = h.RunUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Held {
		t.Errorf("the mail is %s", m.State)
	}
}

// Records older than the place of the entry are found by the index of the mail.
func TestADecisionWithoutItsPlaceIsFoundByItsHash(t *testing.T) {
	h := build(t)
	m := h.Approve(h.Submit())
	if d := m.Decisions[0]; d.Chain != "node" || d.Seq == 0 {
		t.Errorf("the decision says %s %d", d.Chain, d.Seq)
	}
	h.rewrite(m.ID, func(m *mail.Mail) { m.Decisions[0].Chain, m.Decisions[0].Seq = "", 0 })
	if m = h.RunUntil(m.ID, mail.Held, mail.Sent); m.State != mail.Sent {
		t.Errorf("the mail is %s", m.State)
	}
}
