package httpd

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
)

// Two runs of one story, with and without incoming mail that is held, quarantined,
// rejected, expired or erased: an agent must not be able to tell which one it lives in.

// story is one run. Steps that both runs take move the clock; what only the other run
// does leaves it where it is, so that times and the order of ids agree.
type story struct {
	*fixture
	full  bool // with the mail that nobody may see
	names map[string]string
	seen  []mail.ID // what its agent may see, in the order it came
	dark  []mail.ID // what it may not; in the bare run ids that never were
}

func newStory(t *testing.T, full bool) *story {
	clock := systemtest.NewClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), 0)
	s := &story{fixture: newFixtureAt(t, clock), full: full, names: map[string]string{}}
	s.unlimited()
	return s
}

func (s *story) step() { s.clock.Forward(time.Second) }

// shown notes a mail that its agent may see.
func (s *story) shown(id mail.ID) mail.ID {
	s.seen = append(s.seen, id)
	s.names[string(id)] = fmt.Sprintf("SEEN%d", len(s.seen))
	return id
}

// hidden notes a mail that its agent may not see.
func (s *story) hidden(id mail.ID) {
	s.dark = append(s.dark, id)
	s.names[string(id)] = fmt.Sprintf("DARK%d", len(s.dark))
}

// letter is a mail of the world. Carol's letters look like part of the conversation.
type letter struct {
	from, subject, id, refs, text string
	spam                          bool
}

func (l letter) raw() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "From: %s\r\nTo: %s\r\nSubject: %s\r\nDate: Fri, 02 Jan 2026 03:04:05 +0000\r\nMessage-ID: <%s>\r\n",
		l.from, bot, l.subject, l.id)
	if l.refs != "" {
		fmt.Fprintf(&b, "In-Reply-To: <%s>\r\nReferences: <%s>\r\n", l.refs, l.refs)
	}
	b.WriteString("MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n" +
		"--b\r\nContent-Type: text/plain\r\n\r\n" + l.text + "\r\n" +
		"--b\r\nContent-Type: application/pdf\r\nContent-Disposition: attachment; filename=plan.pdf\r\n\r\nPDF\r\n--b--\r\n")
	return []byte(b.String())
}

// bring brings a letter to the mailbox of the agent.
func (s *story) bring(l letter) *mail.Mail {
	s.Helper()
	from := mail.MustAddress(l.from)
	list, err := s.Gate.Receive(s.t.Context(), gate.Delivery{From: from, To: []mail.Address{mail.MustAddress(bot)},
		Raw: l.raw(), Door: "smtp-in", Arrival: mail.Arrival{Helo: "mx", Remote: "192.0.2.1", Auth: mail.Authentication{
			SPF: mail.Check{Result: "pass"}, DMARC: mail.Check{Result: "pass", Domain: from.Domain()}}}})
	if err != nil {
		s.Fatal(err)
	}
	return list[0]
}

// secret is something that only the full run has.
func (s *story) secret(make func() mail.ID) {
	s.Helper()
	id := mail.NewID(s.clock.Now())
	if s.full {
		id = make()
	}
	s.hidden(id)
}

func (s *story) mode(m mail.Mode) {
	s.Helper()
	if _, err := s.Gate.SetMode(s.t.Context(), s.Operator, mail.MustAddress(bot), m); err != nil {
		s.Fatal(err)
	}
	s.step()
}

func (s *story) decide(m *mail.Mail, yes bool) {
	s.Helper()
	_, err := s.Gate.Decide(s.t.Context(), s.principal("approver"), m.ID,
		gate.Decision{Approve: yes, Digest: m.Digest, Reason: "because"})
	if err != nil {
		s.Fatal(err)
	}
}

// tell tells the story: a conversation that carol would be part of if she were let in.
func (s *story) tell() {
	s.Helper()
	const talk, first = "talk@b.example", "first@b.example"
	out := s.approved()
	s.shown(mail.ID(out.ID))
	s.step()
	s.shown(s.bring(letter{from: ada, subject: "Plans", id: first, text: "Shall we meet? budget"}).ID)
	s.step()
	s.mode(mail.GatedAll)
	carol := letter{from: "carol@c.example", subject: "Re: Plans", id: talk, refs: first, text: "budget secretword"}
	s.secret(func() mail.ID { return s.bring(carol).ID })
	s.secret(func() mail.ID { m := s.bring(carol); s.decide(m, false); return m.ID })
	expires := s.clock.Now()
	s.secret(func() mail.ID { return s.bring(carol).ID })
	s.clock.Forward(8 * 24 * time.Hour)
	if err := s.Gate.Expire(s.t.Context()); err != nil || !s.clock.Now().After(expires) {
		s.Fatal(err)
	}
	s.step()
	s.secret(func() mail.ID { return s.bring(carol).ID }) // still held
	s.secret(func() mail.ID { return s.quarantined(carol) })
	s.mode(mail.GatedSend)
	s.secret(func() mail.ID { return s.quarantined(letter{from: ada, subject: "Re: Plans", id: "x@b", refs: first}) })
	s.secret(s.erased)
	// What comes after it must not show that carol was there.
	s.shown(s.bring(letter{from: "carol@c.example", subject: "Re: Plans", id: "late@c.example", refs: talk,
		text: "I am new here"}).ID)
	s.step()
	s.shown(s.bring(letter{from: ada, subject: "Re: Plans", id: "end@b.example", refs: first, text: "budget"}).ID)
	s.step()
}

// quarantined brings a letter that a filter takes for spam.
func (s *story) quarantined(l letter) mail.ID {
	s.Helper()
	clean := s.Gate
	s.Gate = s.NewGate(s.DB, gate.Options{Filter: func(context.Context, *mail.Mail, []byte) (mail.Spam, error) {
		return mail.Spam{Verdict: mail.SpamQuarantined, Score: 20}, nil
	}})
	defer func() { s.Gate = clean }()
	return s.bring(l).ID
}

// erased is a mail that came in, was rejected, and is gone.
func (s *story) erased() mail.ID {
	s.Helper()
	id := s.quarantined(letter{from: ada, subject: "Re: Plans", id: "gone@b.example"})
	m, err := s.Queue.Mail(s.t.Context(), id)
	if err != nil {
		s.Fatal(err)
	}
	s.decide(m, false)
	if err := s.Gate.Erase(s.t.Context(), id); err != nil {
		s.Fatal(err)
	}
	return id
}

// Secrets of this installation, random in each run.
var random = regexp.MustCompile(`(sig|signature|s|t|token)=[A-Za-z0-9_-]{16,}|"key":"mm_[^"]*"|ref [a-z0-9]{6,}`)

// digests cover a Message-ID that is random.
var digests = regexp.MustCompile(`"digest":"[0-9a-f]{64}"`)

// ticketed are tickets, which hold an id and a code of their server.
var ticketed = regexp.MustCompile(`/v1/files/[A-Za-z0-9_-]{100,}`)

// normal replaces what differs between two runs by its nature: ids by their place.
func (s *story) normal(text string) string {
	ids := slices.SortedFunc(maps.Keys(s.names), func(a, b string) int { return cmp.Compare(len(b), len(a)) })
	for _, id := range ids {
		text = strings.ReplaceAll(text, id, s.names[id])
	}
	text = digests.ReplaceAllString(text, `"digest":"D"`)
	text = ticketed.ReplaceAllString(text, "/v1/files/TICKET")
	return random.ReplaceAllString(text, "$1=RANDOM")
}

// request is one call of an operation as an agent makes it.
type request struct{ path, body string }

// parameters are the values of the parts of a path; {email} is every mail, those that
// are not to be seen too.
func (s *story) parameters() map[string][]string {
	p := map[string][]string{
		"id": {bot}, "name": {"nothing"}, "entry": {"nothing"}, "thread": {}, "email": {}, "key": {"topic"},
		"filename": {"plan.pdf"}, "contact": {"nothing"}, "address": {"carol@c.example", ada}, "token": {"nothing"},
		"ticket": {"nothing"},
	}
	for _, id := range slices.Concat(s.seen, s.dark) {
		p["email"] = append(p["email"], string(id))
		p["thread"] = append(p["thread"], string(id))
	}
	return p
}

// queries are what is asked of an operation beside its path.
var queries = map[string][]string{
	"check_inbox": {"", "?direction=inbound", "?status=unread", "?sender=carol", "?subject_contains=plans",
		"?has_attachments=true", "?limit=1", "?date_after=2026-01-03T00:00:00Z", "?query=budget", "?query=secretword",
		"?status=pending_inbound_approval", "?status=spam_quarantined", "?status=rejected", "?status=erased"},
	"get_usage":       {"", "?period=daily"},
	"search_contacts": {"?q=carol", "?q="},
	"list_spam":       {"?status=spam_quarantined", "?status=spam_flagged", ""},
	"read_email":      {""},
	"wait_for_email":  {"?timeout_seconds=5&since_id=SINCE"},
}

// bodies are what is sent with an operation.
var bodies = map[string]string{
	"send_email": draft, "send_any": `{"from":"` + bot + `",` + draft[1:], "cancel_message": "{}",
	"reply_email": `{"markdown":"Yes."}`, "set_tags": `{"tags":{"topic":"plans"}}`,
	"add_contact": `{"name":"Carol","email":"carol@c.example"}`, "update_email": `{"status":"archived"}`,
	"update_mailbox": `{"mode":"gated_send"}`, "report_spam": "{}", "not_spam": "{}", "verify_mail": "",
	"start_freeze": "{}",
}

// requests are the calls of one operation.
func (s *story) requests(op *api.Operation) (out []request) {
	paths := []string{op.Path}
	for name, values := range s.parameters() {
		var next []string
		for _, p := range paths {
			if !strings.Contains(p, "{"+name+"}") {
				next = append(next, p)
				continue
			}
			for _, v := range values {
				next = append(next, strings.ReplaceAll(p, "{"+name+"}", url.PathEscape(v)))
			}
		}
		paths = next
	}
	slices.Sort(paths)
	extra := queries[op.Name]
	if extra == nil {
		extra = []string{""}
		if op.Variant != "" {
			extra = []string{"?" + op.Variant + "=1"}
		}
	}
	for _, p := range paths {
		for _, q := range extra {
			if strings.Contains(p, "{") {
				s.t.Errorf("%s: say in parameters what stands in the braces", p)
			}
			q = strings.ReplaceAll(q, "SINCE", string(s.seen[len(s.seen)-2]))
			body, known := bodies[op.Name]
			if op.HasBody() && !known {
				s.t.Errorf("%s: say in bodies what an agent sends", op)
			}
			out = append(out, request{p + q, body})
		}
	}
	return out
}

// answers makes every call that an agent can make and writes down what came back: first
// what reads, then what writes. The tools make the same calls of the same table.
func (s *story) answers() (out []string) {
	s.Helper()
	ops := slices.Clone(api.Operations.Operations())
	slices.SortStableFunc(ops, func(a, b *api.Operation) int { return cmp.Compare(writes(a), writes(b)) })
	held := s.scopes("sender")
	for _, op := range ops {
		if !op.Allows(func(scope string) bool { return slices.Contains(held, scope) }) {
			continue
		}
		for _, r := range s.ordered(op) {
			s.step()
			got := s.do("sender", op.Method, r.path, r.body)
			var fields []string
			for name, v := range got.header {
				fields = append(fields, name+": "+strings.Join(v, ", "))
			}
			slices.Sort(fields)
			s.learn(got.body)
			out = append(out, s.normal(fmt.Sprintf("%s %s %s\n%d %s\n%s", op.Method, r.path, r.body, got.status,
				strings.Join(fields, "\n"), got.body)))
		}
	}
	return out
}

// ordered puts the calls of an operation into an order that does not depend on ids.
func (s *story) ordered(op *api.Operation) []request {
	list := s.requests(op)
	slices.SortFunc(list, func(a, b request) int { return cmp.Compare(s.normal(a.path), s.normal(b.path)) })
	return list
}

func writes(op *api.Operation) int {
	if op.Method == "GET" {
		return 0
	}
	return 1
}

// learn names the ids of what a call has made.
func (s *story) learn(body string) {
	var made struct {
		ID string `json:"id"`
	}
	err := json.Unmarshal([]byte(body), &made)
	if named := s.names[made.ID] != "" || strings.Contains(made.ID, "@"); err == nil && made.ID != "" && !named {
		s.names[made.ID] = fmt.Sprintf("MADE%d", len(s.names))
	}
}

func TestAnAgentCannotTellThatMailIsKeptFromIt(t *testing.T) {
	bare, full := newStory(t, false), newStory(t, true)
	bare.tell()
	full.tell()
	if n := len(full.dark); n != len(bare.dark) || n < 7 {
		t.Fatalf("%d and %d mails are kept from the agent", n, len(bare.dark))
	}
	a, b := bare.answers(), full.answers()
	if len(a) != len(b) || len(a) < 50 {
		t.Fatalf("%d and %d answers", len(a), len(b))
	}
	if _, err := full.Gate.VerifyLog(t.Context()); err != nil {
		t.Error(err)
	}
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("without hidden mail:\n%s\nwith it:\n%s\n", a[i], b[i])
		}
	}

}

// What is kept from an agent wakes nobody who waits for mail.
func TestMailThatIsKeptFromAnAgentWakesNobody(t *testing.T) {
	s := newStory(t, true)
	woken, stop := s.Queue.WatchInbox(mail.MustAddress(bot))
	defer stop()
	l := letter{from: ada, subject: "Plans", id: "a@b.example"}
	s.quarantined(l)
	s.mode(mail.GatedAll)
	m := s.bring(l)
	select {
	case <-woken:
		t.Fatal("woken by what may not be seen")
	default:
	}
	s.decide(m, true)
	select {
	case <-woken:
	default:
		t.Error("not woken by what was let in")
	}
}
