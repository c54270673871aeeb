//go:build e2e

package e2e

import (
	"fmt"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// fileLimit sets how large the files of the running daemon may become: a disk that is full for
// everyone, root too, and that has space again.
func (h *daemon) fileLimit(octets uint64) {
	h.t.Helper()
	l := unix.Rlimit{Cur: octets, Max: unix.RLIM_INFINITY}
	if err := unix.Prlimit(h.cmd.Process.Pid, unix.RLIMIT_FSIZE, &l, nil); err != nil {
		h.t.Fatal(err)
	}
}

// arrive brings a mail from the world and returns its id, or the reply that refused it.
func (h *daemon) arrive(subject, text string) (id, refused string) {
	h.t.Helper()
	c, err := net.Dial("tcp", h.dev.Inbound)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	s := greet(h.t, c)
	s.do("EHLO far.test", "250")
	s.do("MAIL FROM:<far@far.test>", "250")
	if got := s.do("RCPT TO:<"+h.dev.Mailbox+">", "250|452 4.3.1"); strings.HasPrefix(got, "4") {
		return "", got
	}
	s.do("DATA", "354")
	s.send(fmt.Sprintf("From: far@far.test\r\nTo: %s\r\nSubject: %s\r\nMessage-ID: <%s@far.test>\r\n\r\n%s\r\n.\r\n",
		h.dev.Mailbox, subject, subject, text))
	got := s.expect("250|452 4.3.1")
	if m := takenAs.FindStringSubmatch(got); m != nil {
		return m[1], ""
	}
	return "", got
}

// found lists what the index finds.
func (h *daemon) found(word string) string {
	h.t.Helper()
	_, text := h.http("GET", "/v1/mailboxes/"+h.dev.Mailbox+"/emails?query="+url.QueryEscape(word), "")
	return text
}

// Whatever cannot be written while the disk is full (the body of a mail, the commit with its entry
// in the audit log, the index), the other server is told to come again; what it was told is taken
// stays, and with space the same process takes mail again and indexes what it has.
func TestADiskThatIsFullOnTheWayInIsToldAndOvercome(t *testing.T) {
	h := start(t)
	lines := func(octets int) string { return strings.Repeat(strings.Repeat("x", 70)+"\r\n", octets/72) }
	taken := map[string]string{}
	arrive := func(subject, text string) (refused string) {
		id, refused := h.arrive(subject, text)
		if id != "" {
			taken[id] = subject
		}
		return refused
	}
	if said := arrive("before", "heron"); said != "" {
		t.Fatal(said)
	}
	for step, c := range map[string]struct {
		limit  uint64
		octets int // of the mails that come while the disk is full
	}{
		"the body": {4 << 20, 6 << 20}, "the commit": {4 << 10, 100}, "the commit and a body": {4 << 10, 100 << 10},
	} {
		h.fileLimit(c.limit)
		refused := 0
		for i := 0; i < 40 && refused < 3; i++ {
			if arrive(fmt.Sprint(step, i), "heron "+lines(c.octets)) != "" {
				refused++
			}
		}
		if refused < 3 {
			t.Errorf("%s: the disk was never full", step)
		}
		h.fileLimit(unix.RLIM_INFINITY)
		h.until("the disk to be noticed", func() bool { return arrive("after "+step, "heron") == "" })
	}
	h.until("the index to have all of it", func() bool {
		text := h.found("heron")
		for id := range taken {
			if !strings.Contains(text, id) {
				return false
			}
		}
		return true
	})
	h.kill(syscall.SIGKILL)
	h.run()
	for id, subject := range taken {
		var a arrived
		if decode(t, h.must("mail", "show", id, "--json"), &a); a.State != "received" || a.Subject != subject {
			t.Errorf("%s was taken as %q and is %+v", id, subject, a)
		}
	}
	var inbox struct{ Emails []struct{ ID string } }
	_, text := h.http("GET", "/v1/mailboxes/"+h.dev.Mailbox+"/emails?limit=100", "")
	if decode(t, text, &inbox); len(inbox.Emails) != len(taken) {
		t.Errorf("%d mails were taken, the mailbox shows %s", len(taken), text)
	}
	h.must("audit", "verify")
}
