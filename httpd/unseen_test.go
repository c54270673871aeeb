package httpd

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// An agent must not be able to tell whether mail is kept from it: one story is told twice,
// with incoming mail that is held, quarantined, rejected, expired or erased, and without
// it, and every answer to every question of every agent is the same to the octet.
func TestAnAgentCannotTellThatMailIsKeptFromIt(t *testing.T) {
	var full, bare *story
	run := func(dark []mail.ID, out **story, after func(*story)) {
		synctest.Test(t, func(t *testing.T) {
			s := newStory(t, dark)
			*out = s
			s.tell()
			s.live()
			after(s)
		})
	}
	run(nil, &full, (*story).release)
	run(full.dark, &bare, func(*story) {})
	if !slices.Equal(full.seen, bare.seen) {
		t.Errorf("what may be seen differs: %v and %v", full.seen, bare.seen)
	}
	same(t, bare.said, full.said)
}

// same compares two runs.
func same(t *testing.T, bare, full []exchange) {
	t.Helper()
	if len(bare) != len(full) || len(bare) < 1000 {
		t.Errorf("%d and %d answers", len(bare), len(full))
	}
	wrong := 0
	for i := range min(len(bare), len(full)) {
		if bare[i] == full[i] {
			continue
		}
		t.Errorf("without hidden mail:\n%s\n%s\nwith it:\n%s\n%s\n", bare[i].asked, bare[i].answered,
			full[i].asked, full[i].answered)
		if wrong++; wrong == 5 {
			t.Fatal("and more")
		}
	}
}

// live is what the agents ask once the story is told.
func (s *story) live() {
	s.Helper()
	s.listed()
	s.read("sender")
	s.read("other")
	s.openWaits()
	s.write("sender", false)
	s.limits()
	s.read("reader")
	s.write("sender", true)
	s.read("sender")
	s.answered()
}

// ask asks one question over REST and writes down what came back: the status, every field
// of the header, every octet of the body, and how long it took. A server adds to that only
// its Date and what follows from the body, such as Content-Length.
func (s *story) ask(as, method, path, body string) reply {
	s.Helper()
	s.next()
	r := s.askNow(as, method, path, body)
	if r.status >= 500 || r.status == 400 || strings.Contains(r.body, "is not known here") {
		s.Errorf("%s %s %s: %d %s", method, path, body, r.status, r.body)
	}
	return r
}

func (s *story) askNow(as, method, path, body string) reply {
	s.Helper()
	begun, waits := time.Now(), s.waits
	r := s.do(as, method, path, body)
	var fields []string
	for name, v := range r.header {
		fields = append(fields, name+": "+strings.Join(v, ", "))
	}
	slices.Sort(fields)
	s.said = append(s.said, exchange{asked: fmt.Sprintf("%s as %s %s %s", method, as, path, body),
		answered: fmt.Sprintf("%d after %s and %d waits\n%s\n%s", r.status, time.Since(begun), s.waits-waits,
			strings.Join(fields, "\n"), r.body)})
	return r
}

// open begins a question and does not wait for its answer.
func (s *story) open(as, method, path, body string) (answer func() exchange) {
	begun, done, e := time.Now(), make(chan string, 1), exchange{method + " " + path + " " + body, "nothing yet"}
	go func() {
		r := s.do(as, method, path, body)
		done <- fmt.Sprintf("%d after %s: %s", r.status, time.Since(begun), r.body)
	}()
	synctest.Wait() // until it waits too
	return func() exchange {
		synctest.Wait()
		select {
		case e.answered = <-done:
		default:
		}
		return e
	}
}

// readAll reads what is unread, so that whoever waits for mail waits for more.
func (s *story) readAll() {
	s.Helper()
	r := s.ask("sender", "GET", "/v1/mailboxes/"+bot+"/emails?status=unread&limit=100", "")
	for _, e := range into[api.Emails](s.fixture, r).Emails {
		s.ask("sender", "GET", "/v1/mailboxes/"+bot+"/emails/"+e.ID, "")
	}
}

// openWaits has agents wait while mail that they may not see comes, is judged and goes. It
// neither answers them nor wakes them for nothing.
func (s *story) openWaits() {
	s.Helper()
	own := into[api.Receipt](s.fixture, s.ask("sender", "POST", "/v1/mailboxes/"+bot+"/send", draft)).ID
	s.readAll()
	s.mode(mail.GatedAll)
	s.next()
	m := s.bring(letter{from: ada, subject: "Re: Plans", id: "woken@b.example", text: "let in while somebody waits"})
	s.next()
	open := []func() exchange{
		s.open("sender", "GET", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=45", ""),
		s.open("reader", "GET", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=45&since_id="+string(s.last[1]), ""),
		s.open("reader", "GET", "/v1/mailboxes/"+bot+"/wait?timeout_seconds=45&subject_contains=hidden", ""),
		s.open("sender", "GET", "/v1/mailboxes/"+bot+"/emails/"+own+"?wait_seconds=45", ""),
		s.open("other", "GET", "/v1/mailboxes/"+other+"/wait?timeout_seconds=45", ""),
		s.open("sender", "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":`+
			`{"name":"wait_for_email","arguments":{"timeout_seconds":45}}}`),
	}
	look := func() {
		for _, answer := range open {
			s.said = append(s.said, answer())
		}
		s.said = append(s.said, exchange{"began to wait", fmt.Sprint(s.waits)})
	}
	l := letter{from: ada, subject: "Re: hidden", id: "held2@b.example", refs: "first@b.example"}
	s.secret(func() *mail.Mail { return s.bring(l) })
	s.pass(10 * time.Second)
	look()
	s.secret(func() *mail.Mail { return s.quarantined(l) })
	s.secret(func() *mail.Mail { m := s.bring(l); s.decide(m.ID, false); return m })
	s.pass(10 * time.Second)
	look()
	s.end(s.last[0], s.report)
	s.pass(10 * time.Second)
	look()
	for i, answer := range open {
		if e := answer(); e.answered != "nothing yet" {
			s.Errorf("question %d was answered before anything came: %v", i, e)
		}
	}
	s.next()
	s.decide(m.ID, true)
	s.seen = append(s.seen, m.ID)
	look()
	for i, found := range []bool{true, true, false, false, false, true} {
		if e := open[i](); strings.Contains(e.answered, string(m.ID)) != found {
			s.Errorf("question %d: %v", i, e)
		}
	}
	s.pass(30 * time.Second)
	look()
	s.mode(mail.GatedSend)
	s.last[0] = m.ID
}

// limits has the agent send until its limits are reached: what is kept from it takes
// nothing of them.
func (s *story) limits() {
	s.Helper()
	s.next()
	s.pass(time.Minute)
	reached := map[int]bool{}
	for range storyRate + 10 {
		s.step++
		cryptotest.SetGlobalRandom(s.t, uint64(s.step))
		reached[s.askNow("sender", "POST", "/v1/mailboxes/"+bot+"/send", draft).status] = true
	}
	for _, status := range []int{http.StatusAccepted, http.StatusInsufficientStorage, http.StatusTooManyRequests} {
		if !reached[status] || len(reached) > 3 {
			s.Errorf("sending many mails: %v", reached)
		}
	}
	s.pass(time.Minute)
}

// release has an approver let in what is held still, which the agent sees then: what was
// compared before is no comparison of nothing with nothing.
func (s *story) release() {
	s.Helper()
	if len(s.kept) < 4 || len(s.dark) < 10 {
		s.Fatalf("%d of %d hidden mails can be let in", len(s.kept), len(s.dark))
	}
	s.want(200, "approver", "POST", "/v1/thaw", `{"scope":"mailbox:`+bot+`"}`) // the agent has frozen it
	for _, id := range s.kept {
		s.next()
		path := "/v1/mailboxes/" + bot + "/emails/" + string(id)
		s.want(404, "sender", "GET", path, "")
		s.decide(id, true)
		s.next()
		list := s.want(200, "sender", "GET", "/v1/mailboxes/"+bot+"/emails?status=unread&limit=100", "")
		if !strings.Contains(list.body, string(id)) {
			s.Errorf("%s was let in and is in no list", id)
		}
		s.want(200, "sender", "GET", path, "")
	}
	if r := s.want(200, "sender", "GET", "/v1/mailboxes/"+bot+"/emails?query=secretword", ""); !strings.Contains(r.body,
		string(s.kept[0])) {
		s.Errorf("what was let in is not found: %s", r.body)
	}
	if _, err := s.Gate.VerifyLog(s.t.Context()); err != nil {
		s.Error(err)
	}
}

// What is kept from an agent wakes nobody who waits for mail.
func TestMailThatIsKeptFromAnAgentWakesNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStory(t, nil)
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
		s.decide(m.ID, true)
		select {
		case <-woken:
		default:
			t.Error("not woken by what was let in")
		}
	})
}
