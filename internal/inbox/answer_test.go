package inbox_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

func auto(m *mail.Mail)   { m.Header.Auto = "auto-replied" }
func listed(m *mail.Mail) { m.Header.ListID = "list.dest.test" }

func also(list ...string) edit { return func(m *mail.Mail) { m.Header.AlsoInReplyTo = list } }

// noAnswer asks about a draft that nobody has submitted yet.
func (k *talk) noAnswer(edits ...edit) (why string) {
	k.Helper()
	m := k.mail(box, k.n+1)
	m.ID = mail.NewID(zone.Add(time.Duration(k.n+1)*time.Second + k.after))
	for _, e := range append([]edit{to("ada@dest.test")}, edits...) {
		e(m)
	}
	k.View(func(tx store.Tx) (err error) { why, err = k.Inbox.NoAnswer(tx, m); return err })
	return why
}

// Each mail that a draft answers counts, however it names it.
func TestADraftAnswersWhatItNames(t *testing.T) {
	k := &talk{fixture: build(t)}
	k.comes(to("ada@dest.test"), id("own"))
	k.comes(from("ada@dest.test", "pass"), id("robot"), auto)
	k.comes(from("ada@dest.test", "pass"), id("person"))
	k.comes(from("ada@dest.test", "pass"), id("twice"), listed)
	k.comes(from("ada@dest.test", "pass"), id("twice"))
	k.comes(to("ada@dest.test"), id("posted"))
	k.comes(from("ada@dest.test", "pass"), id("posted"), listed)
	k.comes(from("ada@dest.test", "pass"), id("taken"), auto)
	for range 25 { // the agent has taken the Message-ID for its own mail
		k.comes(to("ada@dest.test"), id("taken"))
	}
	for name, c := range map[string]struct {
		edits   []edit
		refused bool
	}{
		"In-Reply-To":                 {[]edit{answers("robot")}, true},
		"a further id of In-Reply-To": {[]edit{answers("person"), also("x", "robot")}, true},
		"and the others are unknown":  {[]edit{answers("x"), also("robot")}, true},
		"the last reference":          {[]edit{refs("person", "robot")}, true},
		"the last one known":          {[]edit{refs("person", "robot", "x", "y")}, true},
		"beside In-Reply-To":          {[]edit{answers("person"), refs("person", "robot")}, true},
		"In-Reply-To beside it":       {[]edit{answers("robot"), refs("robot", "person")}, true},
		"In-Reply-To unknown":         {[]edit{answers("x"), refs("robot")}, true},
		"taken as its own":            {[]edit{answers("taken")}, true},
		"a person":                    {[]edit{answers("person"), refs("own", "robot", "person")}, false},
		"a person, not by id":         {[]edit{refs("robot", "person", "x")}, false},
		"its own":                     {[]edit{answers("own"), refs("own")}, false},
		"by a list and directly":      {[]edit{answers("twice")}, false},
		"its own, back by a list":     {[]edit{answers("posted")}, false},
	} {
		if why := k.noAnswer(c.edits...); (why != "") != c.refused {
			t.Errorf("%s: %q", name, why)
		}
	}
}

// What says that it is an answer, and does not say to what, answers the newest mail of those
// who get it.
func TestAnAnswerToNothingKnownIsOneToTheNewestMailOfItsRecipients(t *testing.T) {
	unknown, named := []edit{answers("x"), subject("s")}, []edit{refs("x", "y"), subject("s")}
	re, blank := []edit{subject("AW: s")}, []edit{subject("s")}
	bcc := func(m *mail.Mail) {
		m.Envelope.Rcpts = append(m.Envelope.Rcpts, mail.Rcpt{Addr: mail.MustAddress("Robot@dest.test")})
	}
	k := &talk{fixture: build(t)}
	refused := func(name string, want bool, forms ...[]edit) {
		t.Helper()
		for n, f := range forms {
			if why := k.noAnswer(f...); (why != "") != want {
				t.Errorf("%s, form %d: %q", name, n, why)
			}
		}
	}
	refused("nothing has come", false, unknown, named, re, blank)
	k.comes(from("ada@dest.test", "none"), auto, subject("away"))
	refused("a program answered", true, unknown, named, re)
	refused("a new mail", false, blank)
	k.comes(from("bob@dest.test", "none"))
	refused("another one wrote", true, unknown, named, re)
	k.comes(from("ada@dest.test", "none"), subject("s"))
	refused("a person answered since", false, unknown, named, re)
	k.comes(from("noreply@dest.test", "none"), auto,
		func(m *mail.Mail) { m.Header.ReplyTo = []mail.Address{mail.MustAddress("ADA@dest.test")} })
	refused("a program whose answers go there", true, unknown, named, re)
	k.comes(from("ada@dest.test", "none"))
	k.comes(from("robot@dest.test", "none"), auto)
	refused("no recipient", false, unknown, named, re)
	refused("a further recipient", true, append(unknown, bcc), append(re, bcc))
	refused("of another mailbox", false, append(unknown, bcc, at(mail.MustAddress("other@example.test"))))
	k.after = inbox.SubjectWindow + time.Hour
	refused("long ago", false, append(unknown, bcc), append(re, bcc))
}

func TestDeletedMailIsNotAnsweredEither(t *testing.T) {
	k := &talk{fixture: build(t)}
	i := k.comes(from("ada@dest.test", "none"), auto, id("robot"))
	err := k.DB.Update(ctx, func(tx store.Tx) error { return k.Inbox.SetStatus(tx, box, i.ID, inbox.Deleted) })
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []edit{answers("robot"), answers("x"), subject("Re: s")} {
		if why := k.noAnswer(e); !strings.Contains(why, "auto-replied") {
			t.Errorf("%q", why)
		}
	}
}

// However much came, a question reads a bounded number of mails.
func TestTheNewestMailOfARecipientIsLookedForAmongTwoHundred(t *testing.T) {
	k := &talk{fixture: build(t)}
	k.comes(from("ada@dest.test", "none"), auto)
	for n := range 199 {
		k.comes(from("b"+strconv.Itoa(n)+"@dest.test", "none"))
	}
	if why := k.noAnswer(answers("x")); why == "" {
		t.Error("the oldest of 200 was not found")
	}
	k.comes(from("bob@dest.test", "none"))
	if why := k.noAnswer(answers("x")); why != "" {
		t.Errorf("the oldest of 201: %s", why)
	}
}

// What may not be answered waits for no answer.
func TestMailThatIsNotToBeAnsweredIsNotCalledUnanswered(t *testing.T) {
	k := &talk{fixture: build(t)}
	for name, c := range map[string]struct {
		edit edit
		want bool
	}{
		"of a person":  {func(*mail.Mail) {}, true},
		"of a program": {auto, false},
		"in bulk":      {func(m *mail.Mail) { m.Header.Bulk = true }, false},
		"of an agent":  {func(m *mail.Mail) { m.Arrival.Auth.Identity = mail.Check{Result: "pass"} }, false},
	} {
		i := k.comes(from("ada@dest.test", "pass"), c.edit)
		k.View(func(tx store.Tx) error {
			thread, err := k.Inbox.Thread(tx, box, i.Thread)
			if thread.Unanswered != c.want {
				t.Errorf("%s: %t", name, thread.Unanswered)
			}
			return err
		})
	}
}
