package inbox_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func TestTheBaseOfASubject(t *testing.T) {
	for s, want := range map[string]string{
		"Plan":                     "plan false",
		"Re: Plan":                 "plan true",
		"RE :  Plan  B":            "plan b true",
		"Re[4]: Plan":              "plan true",
		"Re (2): Plan":             "plan true",
		"Re^3: Plan":               "plan true",
		"AW: WG: Fwd: Sv: Plan":    "plan true",
		"Antwort: Plan":            "plan true",
		"回复：Plan":                  "plan true",
		"Réf : Plan":               "plan true",
		"Re: ":                     " true",
		"Re:":                      " true",
		"":                         " false",
		":":                        ": false",
		"Rent: 5":                  "rent: 5 false",
		"Re Plan":                  "re plan false",
		"Re[x]: Plan":              "re[x]: plan false",
		"[Re]: Plan":               "[re]: plan false",
		"Regarding: Plan":          "regarding: plan false",
		"Report: Re: Plan":         "report: re: plan false",
		"Urgent invoice":           "urgent invoice false",
		strings.Repeat("Re: ", 60): strings.Repeat("re: ", 9) + "re: true",
		"re:(((":                   "((( true",
	} {
		base, answer := inbox.BaseSubject(s)
		if got := fmt.Sprint(base, " ", answer); got != want {
			t.Errorf("%q: %q, want %q", s, got, want)
		}
	}
}

// talk is mail of one mailbox in the order of its coming.
type talk struct {
	*fixture
	n     int
	after time.Duration // the next mail comes so much later
}

// edit changes a mail before it comes.
type edit func(*mail.Mail)

func from(address, dmarc string) edit {
	return func(m *mail.Mail) {
		m.Header.From = mail.MustAddress(address)
		m.Envelope.From = m.Header.From
		m.Arrival = &mail.Arrival{Auth: mail.Authentication{DMARC: mail.Check{Result: dmarc}}}
	}
}

func to(address string) edit {
	return func(m *mail.Mail) {
		a := mail.MustAddress(address)
		m.Direction, m.Header.From, m.Header.To = mail.Outgoing, m.Mailbox, []mail.Address{a}
		m.Envelope = mail.Envelope{From: m.Mailbox, Rcpts: []mail.Rcpt{{Addr: a}}}
	}
}

func subject(s string) edit        { return func(m *mail.Mail) { m.Header.Subject = s } }
func id(s string) edit             { return func(m *mail.Mail) { m.Header.MessageID = s } }
func refs(list ...string) edit     { return func(m *mail.Mail) { m.Header.References = list } }
func answers(s string) edit        { return func(m *mail.Mail) { m.Header.InReplyTo = s } }
func at(address mail.Address) edit { return func(m *mail.Mail) { m.Mailbox = address } }
func cc(address string) edit {
	return func(m *mail.Mail) { m.Header.Cc = append(m.Header.Cc, mail.MustAddress(address)) }
}

// comes files a mail and returns what is known of it.
func (k *talk) comes(edits ...edit) inbox.Item {
	k.Helper()
	k.n++
	m := k.mail(box, k.n)
	m.ID = mail.NewID(zone.Add(time.Duration(k.n)*time.Second + k.after))
	m.Header.To = []mail.Address{box}
	for _, e := range edits {
		e(m)
	}
	if m.Direction == mail.Incoming {
		m.Envelope.Rcpts = []mail.Rcpt{{Addr: m.Mailbox, Standing: mail.Delivered}}
	}
	if err := k.receive(m, mail.GatedSend); err != nil {
		k.Fatal(err)
	}
	var item inbox.Item
	k.View(func(tx store.Tx) (err error) { item, err = k.Inbox.Item(tx, m.Mailbox, m.ID); return err })
	return item
}

// A subject brings a mail into a thread only where everything fits.
func TestASubjectJoinsOnlyWhomDMARCVouchesForAndTheThreadKnows(t *testing.T) {
	for name, c := range map[string]struct {
		later time.Duration
		edits []edit
		joins bool
	}{
		"all of it":        {0, []edit{from("ada@dest.test", "pass"), subject("Re: Plan")}, true},
		"another language": {0, []edit{from("ADA@dest.test", "pass"), subject("AW:  PLAN ")}, true},
		"within the window": {inbox.SubjectWindow - time.Minute,
			[]edit{from("ada@dest.test", "pass"), subject("Re: Plan")}, true},
		"after the window": {inbox.SubjectWindow + time.Minute,
			[]edit{from("ada@dest.test", "pass"), subject("Re: Plan")}, false},
		"no word of an answer":  {0, []edit{from("ada@dest.test", "pass"), subject("Plan")}, false},
		"another subject":       {0, []edit{from("ada@dest.test", "pass"), subject("Re: Plans")}, false},
		"no subject":            {0, []edit{from("ada@dest.test", "pass"), subject("Re:")}, false},
		"DMARC fails":           {0, []edit{from("ada@dest.test", "fail"), subject("Re: Plan")}, false},
		"DMARC is none":         {0, []edit{from("ada@dest.test", "none"), subject("Re: Plan")}, false},
		"DMARC is an error":     {0, []edit{from("ada@dest.test", "temperror"), subject("Re: Plan")}, false},
		"DMARC was not checked": {0, []edit{from("ada@dest.test", ""), subject("Re: Plan")}, false},
		"somebody else":         {0, []edit{from("eve@dest.test", "pass"), subject("Re: Plan")}, false},
		"another mailbox": {0, []edit{from("ada@dest.test", "pass"), subject("Re: Plan"),
			at(mail.MustAddress("emo@example.test"))}, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := &talk{fixture: build(t)}
			first := k.comes(to("ada@dest.test"), subject("Plan"), id("1@example.test"))
			if first.Joined != inbox.JoinedNew || first.Thread != first.ID || len(first.New) != 0 {
				t.Fatalf("%+v", first)
			}
			k.after = c.later
			got := k.comes(c.edits...)
			want := inbox.JoinedNew
			if c.joins {
				want = inbox.JoinedSubject
			}
			if got.Joined != want || (got.Thread == first.Thread) != c.joins {
				t.Errorf("%s by %s", got.Thread, got.Joined)
			}
		})
	}
}

// Whom a stranger names does not thereby take part: his answer would go astray.
func TestAStrangerBringsNobodyIntoAThreadBySubject(t *testing.T) {
	k := &talk{fixture: build(t)}
	trap := k.comes(from("eve@evil.test", "pass"), subject("Plan"), cc("ada@dest.test"))
	if got := k.comes(from("ada@dest.test", "pass"), subject("Re: Plan")); got.Thread == trap.Thread {
		t.Errorf("joined by %s", got.Joined)
	}
}

func TestAForgedMessageIDMovesNoThread(t *testing.T) {
	k := &talk{fixture: build(t)}
	early := k.comes(from("eve@evil.test", "pass"), id("1@example.test")) // foreseen
	own := k.comes(to("ada@dest.test"), id("1@example.test"))
	late := k.comes(from("eve@evil.test", "pass"), id("1@example.test"))
	if own.Thread == early.Thread || late.Thread == own.Thread {
		t.Fatal("a Message-ID alone joins nothing")
	}
	if got := k.comes(from("ada@dest.test", "none"), answers("1@example.test")); got.Thread != own.Thread ||
		got.Joined != inbox.JoinedInReplyTo {
		t.Errorf("the answer to our mail is in %s by %s, want %s", got.Thread, got.Joined, own.Thread)
	}
	other := mail.MustAddress("emo@example.test")
	if got := k.comes(from("ada@dest.test", "pass"), answers("1@example.test"), at(other)); got.Joined != inbox.JoinedNew {
		t.Errorf("an id of one mailbox is one of another: %s", got.Joined)
	}
}

func TestTheNearestReferenceThatIsKnownJoins(t *testing.T) {
	k := &talk{fixture: build(t)}
	a, b := k.comes(to("ada@dest.test"), id("a")), k.comes(to("ada@dest.test"), id("b"))
	many := []string{"a"}
	for n := range 5000 {
		many = append(many, fmt.Sprint("none", n))
	}
	for name, c := range map[string]struct {
		edits []edit
		want  mail.ID
	}{
		"the last":           {[]edit{refs("b", "a"), answers("b")}, a.ID},
		"before unknown":     {[]edit{refs("a", "b", "x"), answers("a")}, b.ID},
		"In-Reply-To":        {[]edit{refs("x"), answers("a")}, a.ID},
		"itself":             {[]edit{id("self"), refs("self"), answers("self")}, ""},
		"too far back":       {[]edit{refs(many...)}, ""},
		"very long":          {[]edit{refs(strings.Repeat("l", 1<<20), "b")}, b.ID},
		"an empty reference": {[]edit{refs("", ""), answers("")}, ""},
	} {
		got := k.comes(append([]edit{from("ada@dest.test", "none")}, c.edits...)...)
		want := c.want
		if want == "" {
			want = got.ID
		}
		if got.Thread != want {
			t.Errorf("%s: in %s by %s, want %s", name, got.Thread, got.Joined, want)
		}
	}
}

func TestANewParticipantIsMarked(t *testing.T) {
	k := &talk{fixture: build(t)}
	k.comes(to("ada@dest.test"), id("1"))
	for n, c := range []struct {
		edits []edit
		want  []string
	}{
		{[]edit{from("ada@dest.test", "none"), answers("1")}, nil},
		{[]edit{from("Ada@dest.test", "none"), answers("1"), cc("Bob@dest.test")}, []string{"Bob@dest.test"}},
		{[]edit{from("bob@dest.test", "none"), answers("1")}, nil},
		{[]edit{from("eve@evil.test", "none"), answers("1"), cc("mal@evil.test")},
			[]string{"eve@evil.test", "mal@evil.test"}},
		{[]edit{to("zed@dest.test"), answers("1")}, []string{"zed@dest.test"}},
	} {
		if got := k.comes(c.edits...); !slices.Equal(got.New, c.want) {
			t.Errorf("%d: %v, want %v", n, got.New, c.want)
		}
	}
}

// Of mail that was never shown there is no trace: all that the inbox holds afterwards is
// what it would hold without.
func TestWhatWasNeverShownLeavesNoTrace(t *testing.T) {
	k := &talk{fixture: build(t)}
	k.comes(to("ada@dest.test"), id("1"))
	before := k.keys()
	hidden := k.mail(box, 2)
	from("eve@evil.test", "pass")(hidden)
	answers("1")(hidden)
	if err := k.receive(hidden, mail.GatedAll); err != nil || hidden.Visible() {
		t.Fatal(err)
	}
	if now := k.keys(); !slices.Equal(now, before) || len(now) < 6 {
		t.Errorf("%q, want %q", now, before)
	}
}

// keys lists what the inbox holds.
func (f *fixture) keys() (out []string) {
	f.Helper()
	f.View(func(tx store.Tx) error {
		out = nil
		return eachKey(tx, func(key string) { out = append(out, key) })
	})
	return out
}
