package bench

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// payload is a message of 4 KiB with its final dot.
var payload = func() []byte {
	head := "From: " + mailbox + "\r\nTo: ada@dest.test\r\nSubject: A message of four kibibytes\r\n\r\n"
	line := strings.Repeat("x", 76) + "\r\n"
	body := strings.Repeat(line, (4096-len(head))/len(line))
	rest := 4096 - len(head) - len(body) - 2
	return []byte(head + body + strings.Repeat("y", rest) + "\r\n.\r\n")
}()

// client is one connection that stays open. It says the least a client can and
// waits for each reply.
type client struct {
	c        net.Conn
	r        *bufio.Reader
	from, to string
}

func newClient(c net.Conn, from, to string) *client { return &client{c, bufio.NewReader(c), from, to} }

func dial(b *testing.B, t target) *client {
	b.Helper()
	conn, err := tls.Dial("tcp", t.addr, t.client)
	if err != nil {
		b.Fatal(err)
	}
	c := newClient(conn, mailbox, "ada@dest.test")
	if err := c.expect("220"); err != nil {
		b.Fatal(err)
	}
	for _, step := range [][2]string{
		{"EHLO bench", "250"},
		{"AUTH PLAIN " + base64.StdEncoding.EncodeToString([]byte("\x00"+t.user+"\x00"+t.password)), "235"},
	} {
		if err := c.do(step[0]+"\r\n", step[1]); err != nil {
			b.Fatal(err)
		}
	}
	return c
}

func (c *client) do(text, code string) error {
	if _, err := c.c.Write([]byte(text)); err != nil {
		return err
	}
	return c.expect(code)
}

func (c *client) expect(code string) error {
	for {
		line, err := c.r.ReadString('\n')
		if err != nil {
			return err
		}
		if len(line) < 4 || !strings.HasPrefix(line, code) {
			return fmt.Errorf("got %q, want %s", line, code)
		}
		if line[3] != '-' {
			return nil
		}
	}
}

func (c *client) send() error {
	for _, step := range [][2]string{
		{"MAIL FROM:<" + c.from + ">\r\n", "250"}, {"RCPT TO:<" + c.to + ">\r\n", "250"}, {"DATA\r\n", "354"},
	} {
		if err := c.do(step[0], step[1]); err != nil {
			return err
		}
	}
	if _, err := c.c.Write(payload); err != nil {
		return err
	}
	return c.expect("250")
}

// load is the connections to one target and what they have done.
type load struct {
	conns []*client
	sent  int
	took  time.Duration
}

func connect(b *testing.B, t target, conns int) *load {
	b.Helper()
	l := &load{conns: make([]*client, conns)}
	for i := range l.conns {
		l.conns[i] = dial(b, t)
		b.Cleanup(func() { l.conns[i].c.Close() })
	}
	return l
}

// round sends n messages over all connections.
func (l *load) round(b *testing.B, n int) {
	b.Helper()
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	begin := time.Now()
	for _, c := range l.conns {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				if err := c.send(); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	l.took += time.Since(begin)
	l.sent += n
}

func (l *load) rate() float64 { return float64(l.sent) / l.took.Seconds() }

// rounds is how often the two servers take turns.
const rounds = 10

// BenchmarkSubmission sends messages of 4 KiB that MultiMail stores durably
// and holds, and as many to a server that keeps nothing.
func BenchmarkSubmission(b *testing.B) {
	for _, conns := range []int{1, 32} {
		b.Run(fmt.Sprintf("conns=%d", conns), func(b *testing.B) {
			server, cl := certificates(b)
			h := startMultiMail(b, server, cl)
			ours, bare := connect(b, h.target, conns), connect(b, startNull(b, server, cl), conns)
			b.ResetTimer()
			for i := range rounds {
				n := b.N*(i+1)/rounds - b.N*i/rounds
				ours.round(b, n)
				bare.round(b, n)
			}
			b.StopTimer()
			flushes := h.stop(b)
			b.ReportMetric(ours.took.Seconds()*1e9/float64(b.N), "ns/op")
			b.ReportMetric(ours.rate(), "msg/s")
			b.ReportMetric(bare.rate(), "null-msg/s")
			b.ReportMetric(ours.rate()/bare.rate(), "×null")
			b.ReportMetric(float64(flushes)/float64(b.N), "flushes/msg")
		})
	}
}
