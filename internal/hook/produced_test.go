package hook

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// world is a system with a gate, a delivery and bounce addresses, whose events go to a target.
type world struct {
	*fixture
	secret string
}

func newWorld(t *testing.T) *world {
	w := &world{fixture: newFixture(t)}
	b := bounce.New("bounce")
	w.Update(b.Prepare)
	w.Gate = w.NewGate(w.DB, gate.Options{Bounces: b, Trusted: w.Trusted})
	w.secret = w.add(w.root(), EventNames()...).Secret
	q := config.Default().Queue
	var err error
	w.Delivery, err = delivery.New(w.DB, w.Gate, w.Ledger, w.Nodes, w.Hop, delivery.Options{
		Node: systemtest.Node, Log: systemtest.Quiet, Jitter: func() float64 { return 0 }, Workers: q.Workers,
		Lease: time.Duration(q.Lease), FirstRetry: time.Duration(q.FirstRetry), MaxRetry: time.Duration(q.MaxRetry),
		Stamps: []delivery.Stamp{systemtest.Stamp{}}, Trusted: w.Trusted})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// answers has the next hop answer each recipient by the local part of its address.
func (w *world) answers(replies map[string]mail.Result) {
	w.Hop.Answer = func(a mail.Address) mail.Result {
		if r, ok := replies[a.Local()]; ok {
			return r
		}
		return mail.Result{Delivered: true, Code: 250}
	}
}

// leaves submits a mail to ada and bob, approves it, and has it attempted.
func (w *world) leaves(states ...mail.State) *mail.Mail {
	w.Helper()
	return w.RunUntil(w.Approve(w.Submit("ada@dest.test", "bob@dest.test")).ID, states...)
}

// reported brings a report about bob's copy of a mail that has left.
func (w *world) reported(fields string) {
	w.Helper()
	m := w.leaves(mail.Sent)
	var to mail.Address
	for _, wire := range w.Hop.Sent() {
		if i := slices.Index(wire.To, "bob@dest.test"); i >= 0 && wire.ID == m.ID {
			to = mail.MustAddress(wire.From[i])
		}
	}
	kind, part, _ := strings.Cut(fields, "\n")
	w.brings(to, "From: mx@dest.test\nContent-Type: multipart/report; report-type="+kind+"; boundary=b\n\n--b\n\nx\n--b\n"+
		part+"\n--b\nContent-Type: message/rfc822\n\nSubject: x\n\nx\n--b--\n")
}

const (
	failure = "delivery-status\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.dest.test\n\n" +
		"Final-Recipient: rfc822; bob@dest.test\nAction: failed\nStatus: 5.1.1\n"
	abuse = "feedback-report\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nVersion: 1\n" +
		"User-Agent: isp/1\n"
)

// brings has a mail come in.
func (w *world) brings(to mail.Address, text string) []*mail.Mail {
	w.Helper()
	got, err := w.Gate.Receive(w.Context(), gate.Delivery{To: []mail.Address{to}, Door: "smtp-in",
		Raw: []byte(strings.ReplaceAll(text, "\n", "\r\n"))})
	if err != nil {
		w.Fatal(err)
	}
	return got
}

// heldInbound has a mail come in that waits for a decision.
func (w *world) heldInbound() *mail.Mail {
	w.Helper()
	w.SetMode(mail.GatedAll)
	return w.brings(w.Box, "From: ada@dest.test\nSubject: Hello\n\nx\n")[0]
}

func (w *world) decide(m *mail.Mail, d gate.Decision) {
	w.Helper()
	d.Digest = m.Digest
	if _, err := w.Gate.Decide(w.Context(), w.Approver, m.ID, d); err != nil {
		w.Fatal(err)
	}
}

// told returns the events that the target got: name, direction and whom it is about. Each
// request is checked as Standard Webhooks describes it, by code that is not this package's.
func (w *world) told() (out []string) {
	w.Helper()
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(w.secret, "whsec_"))
	if err != nil || len(key) < 24 {
		w.Fatalf("the secret has %d octets: %v", len(key), err)
	}
	for _, r := range w.taken() {
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", r.header.Get("webhook-id"), r.header.Get("webhook-timestamp"), r.body)
		if got := r.header.Get("webhook-signature"); got != "v1,"+base64.StdEncoding.EncodeToString(mac.Sum(nil)) {
			w.Errorf("the signature of %s is %s", r.body, got)
		}
		var m struct {
			Event string
			Data  struct {
				Direction, Action string
				Recipients        []string
			}
		}
		if err := json.Unmarshal(r.body, &m); err != nil {
			w.Fatal(err)
		}
		words := append([]string{m.Event, m.Data.Direction + m.Data.Action}, m.Data.Recipients...)
		out = append(out, strings.Join(words, " "))
	}
	slices.Sort(out)
	return out
}

// notice is what the mailbox itself gets to read about its mail.
const notice = "message.received inbound"

var gone = mail.Result{Permanent: true, Code: 550, Enhanced: "5.1.1"}

// produced are ways in which each event comes about, with what the target is told in all.
var produced = []struct {
	name string
	do   func(w *world)
	want []string
}{
	{"a server took it for everybody", func(w *world) { w.leaves(mail.Sent) }, []string{
		"message.delivered outbound ada@dest.test bob@dest.test", "message.sent outbound", "oversight.approved outbound",
		"oversight.pending outbound"}},
	{"a server refused everybody", func(w *world) {
		w.answers(map[string]mail.Result{"ada": gone, "bob": gone})
		w.leaves(mail.Failed)
	}, []string{"message.bounced outbound ada@dest.test bob@dest.test", notice, "oversight.approved outbound",
		"oversight.pending outbound"}},
	{"a server refused one", func(w *world) {
		w.answers(map[string]mail.Result{"bob": gone})
		w.leaves(mail.Sent)
	}, []string{"message.bounced outbound bob@dest.test", "message.delivered outbound ada@dest.test", notice,
		"message.sent outbound", "oversight.approved outbound", "oversight.pending outbound"}},
	{"a server refused one and puts the other off", func(w *world) {
		w.answers(map[string]mail.Result{"ada": {Code: 451}, "bob": gone})
		id := w.Approve(w.Submit("ada@dest.test", "bob@dest.test")).ID
		w.RunQueue(func() bool { return w.Mail(id).State == mail.Ready && w.Mail(id).Attempts == 1 })
	}, []string{"message.bounced outbound bob@dest.test", notice, "oversight.approved outbound",
		"oversight.pending outbound"}},
	{"a server reported later that it cannot deliver", func(w *world) { w.reported(failure) }, []string{
		"message.bounced outbound bob@dest.test", "message.delivered outbound ada@dest.test bob@dest.test", notice,
		"message.sent outbound", "oversight.approved outbound", "oversight.pending outbound"}},
	{"a reader complained", func(w *world) { w.reported(abuse) }, []string{
		"message.complained outbound bob@dest.test", "message.delivered outbound ada@dest.test bob@dest.test",
		"message.sent outbound", "oversight.approved outbound", "oversight.pending outbound"}},
	{"an approver said no", func(w *world) { w.decide(w.Submit(), gate.Decision{}) }, []string{notice,
		"message.rejected outbound", "oversight.pending outbound", "oversight.rejected outbound"}},
	{"an approver said no to what came in", func(w *world) { w.decide(w.heldInbound(), gate.Decision{}) }, []string{
		"oversight.pending inbound", "oversight.rejected inbound", "policy.changed mode.tighten"}},
	{"an approver let it in", func(w *world) { w.decide(w.heldInbound(), gate.Decision{Approve: true}) }, []string{
		"message.received inbound", "oversight.approved inbound", "oversight.pending inbound",
		"policy.changed mode.tighten"}},
	{"nobody decided", func(w *world) {
		w.Submit()
		w.Clock.Forward(7 * day)
		if err := w.Gate.Expire(w.Context()); err != nil {
			w.Fatal(err)
		}
	}, []string{notice, "oversight.expired outbound", "oversight.pending outbound"}},
	{"a mail came in", func(w *world) { w.brings(w.Box, "From: ada@dest.test\nSubject: Hello\n\nx\n") },
		[]string{"message.received inbound"}},
	{"an operator froze the mailbox", func(w *world) {
		if _, err := w.Gate.Freeze(w.Context(), w.Operator,
			registry.FreezeScope{Kind: registry.FreezeMailbox, Name: w.Box.String()}, "drill"); err != nil {
			w.Fatal(err)
		}
	}, []string{"policy.changed freeze"}},
}

// Every event is told for what it says and nothing else, and comes about in one way at least.
func TestEveryEventIsToldOfWhatHappens(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range produced {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			c.do(w)
			w.round()
			got := w.told()
			if !slices.Equal(got, c.want) {
				t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(c.want, "\n"))
			}
			for _, e := range got {
				name, _, _ := strings.Cut(e, " ")
				seen[name] = true
			}
		})
	}
	for _, e := range EventNames() {
		if !seen[e] {
			t.Errorf("nothing here produces %s", e)
		}
	}
}

// The page has a row for each event, in the order of the list, and no other.
func TestThePageListsEveryEvent(t *testing.T) {
	b, err := os.ReadFile("../../docs/webhooks.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "| event | when |\n|---|---|\n")
	var listed []string
	for line := range strings.Lines(table) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			break
		}
		for _, name := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(cells[1], -1) {
			listed = append(listed, name[1])
		}
		if strings.TrimSpace(cells[2]) == "" {
			t.Errorf("nothing says when %s", cells[1])
		}
	}
	if !slices.Equal(listed, EventNames()) {
		t.Errorf("docs/webhooks.md lists %q, the events are %q", listed, EventNames())
	}
}
