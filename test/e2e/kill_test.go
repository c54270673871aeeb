//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

// storm is a daemon that is killed again and again while agents submit and an
// approver approves, and what everybody outside wrote down meanwhile.
type storm struct {
	*daemon
	addr atomic.Pointer[devJSON] // changes with every start
	tls  *tls.Config

	mu       sync.Mutex
	acked    map[string]string // id → SHA-256 of the body, once its 250 was read
	asked    map[string]bool   // ids somebody tried to approve
	approved map[string]bool   // ids whose approval was answered
	left     int               // messages still to be submitted
	kills    int
}

// Every acknowledged mail is there after any number of kills, none is let go
// without an approval, and the log verifies.
func TestKillAtAnyMomentLosesNoMailAndSendsNoneUnapproved(t *testing.T) {
	messages, kills := 500, 6
	if longRun {
		messages, kills = 6000, 60
	}
	h := start(t)
	s := &storm{daemon: h, tls: h.tls(), left: messages,
		acked: map[string]string{}, asked: map[string]bool{}, approved: map[string]bool{}}
	dev := h.dev
	s.addr.Store(&dev)

	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Minute)
	defer cancel()
	var agents, approver sync.WaitGroup
	for range 32 {
		agents.Go(func() { s.agent(ctx) })
	}
	approving, stopApproving := context.WithCancel(ctx)
	approver.Go(func() { s.approver(approving) })
	for i := range kills {
		s.waitAcked(ctx, (i+1)*messages/(kills+1))
		s.restart()
		s.must("audit", "verify")
	}
	agents.Wait()
	s.waitAcked(ctx, messages)
	stopApproving()
	approver.Wait()
	s.settle()
	s.restart() // what is on record, not what is in memory
	s.judge()
}

// waitAcked waits for so many acknowledgements and then, for a moment that
// nobody chose.
func (s *storm) waitAcked(ctx context.Context, n int) {
	s.t.Helper()
	s.until("acknowledgements", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.acked) >= n || ctx.Err() != nil
	})
	time.Sleep(time.Duration(rand.IntN(30)) * time.Millisecond)
}

func (s *storm) restart() {
	s.t.Helper()
	s.kill(syscall.SIGKILL)
	s.kills++
	s.run()
	dev := s.dev
	s.addr.Store(&dev)
}

// agent submits until nothing is left, over a connection that it opens again
// whenever it breaks. What was not acknowledged is submitted anew.
func (s *storm) agent(ctx context.Context) {
	for ctx.Err() == nil {
		if err := s.session(); err == nil {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// take claims one message to submit.
func (s *storm) take() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left == 0 {
		return false
	}
	s.left--
	return true
}

func (s *storm) giveBack() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.left++
}

// session submits over one connection; nil means that nothing is left.
func (s *storm) session() error {
	dev := s.addr.Load()
	nc, err := tls.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}, "tcp", dev.Submissions, s.tls)
	if err != nil {
		return err
	}
	defer nc.Close()
	_ = nc.SetDeadline(time.Now().Add(60 * time.Second))
	c := &line{nc, bufio.NewReader(nc)}
	if _, err := c.reply("220"); err != nil {
		return err
	}
	login := base64.StdEncoding.EncodeToString([]byte("\x00" + dev.Username + "\x00" + dev.Password))
	for _, step := range [][2]string{{"EHLO storm", "250"}, {"AUTH PLAIN " + login, "235"}} {
		if _, err := c.do(step[0], step[1]); err != nil {
			return err
		}
	}
	for s.take() {
		id, sum, err := c.submit(dev.Mailbox)
		if err != nil {
			s.giveBack()
			return err
		}
		s.mu.Lock()
		s.acked[id] = sum
		s.mu.Unlock()
	}
	return nil
}

// line is a dialogue whose failures are errors: here they are expected.
type line struct {
	c net.Conn
	r *bufio.Reader
}

func (l *line) do(text, want string) (string, error) {
	if _, err := io.WriteString(l.c, text+"\r\n"); err != nil {
		return "", err
	}
	return l.reply(want)
}

func (l *line) reply(want string) (string, error) {
	var all string
	for {
		s, err := l.r.ReadString('\n')
		if err != nil {
			return all, err
		}
		if all += s; len(s) >= 4 && s[3] != '-' {
			break
		}
	}
	if !strings.HasPrefix(all, want) {
		return all, fmt.Errorf("%q, want %s", all, want)
	}
	return all, nil
}

// submit sends one mail; its body is like no other.
func (l *line) submit(from string) (id, sum string, err error) {
	body := strings.Repeat(fmt.Sprintf("%016x\r\n", rand.Uint64()), 1+rand.IntN(100))
	if rand.IntN(20) == 0 { // large enough for a file of its own
		body = strings.Repeat(body, 1+(80<<10)/len(body))
	}
	for _, step := range [][2]string{{"MAIL FROM:<" + from + ">", "250"}, {"RCPT TO:<to@dest.test>", "250"},
		{"DATA", "354"}} {
		if _, err := l.do(step[0], step[1]); err != nil {
			return "", "", err
		}
	}
	said, err := l.do("From: "+from+"\r\nTo: to@dest.test\r\nSubject: storm\r\n\r\n"+body+".", "250")
	if err != nil {
		return "", "", err
	}
	m := queuedAs.FindStringSubmatch(said)
	if m == nil {
		return "", "", fmt.Errorf("no id in %q", said)
	}
	return m[1], digest([]byte(body)), nil
}

func digest(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// approver approves about half of what is held, over the admin socket, and
// writes down what it tried before it tries.
func (s *storm) approver(ctx context.Context) {
	hc := &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", s.addr.Load().AdminSocket)
		}}}
	defer hc.CloseIdleConnections()
	for ctx.Err() == nil {
		var l struct{ Emails []pendingMail }
		if err := call(hc, "GET", "/v1/oversight/pending?limit=100", nil, &l); err != nil || len(l.Emails) == 0 {
			time.Sleep(10 * time.Millisecond)
			continue
		}
		for _, m := range l.Emails {
			if rand.IntN(2) == 0 || ctx.Err() != nil {
				continue
			}
			s.mu.Lock()
			s.asked[m.ID] = true
			s.mu.Unlock()
			err := call(hc, "POST", "/v1/oversight/decide", map[string]string{"email_id": m.ID, "action": "approve",
				"digest": m.Digest}, nil)
			if err == nil {
				s.mu.Lock()
				s.approved[m.ID] = true
				s.mu.Unlock()
			}
		}
	}
}

func call(hc *http.Client, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequest(method, "http://multimail"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := hc.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != 200 {
		return fmt.Errorf("%d %s", resp.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(b, out)
}

type storedMail struct {
	ID        string
	Rev       int
	State     string
	Decisions []struct{ Verdict string }
}

func (s *storm) mails() (l []storedMail) {
	s.t.Helper()
	decode(s.t, s.must("mail", "list", "--all", "--json"), &l)
	return l
}

// settle waits until nothing is on its way.
func (s *storm) settle() {
	s.t.Helper()
	s.until("the queue to settle", func() bool {
		for _, m := range s.mails() {
			if m.State == "ready" || m.State == "sending" {
				return false
			}
		}
		return true
	})
}
