package bench

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/queue"
)

// manyMails is how much mail the large mailbox has, 2,000 with -short.
const manyMails = 100_000

// threadSize is how many mails the one thread has that is read.
const threadSize = 50

// office is a dev daemon whose agent has a large mailbox.
type office struct {
	info   daemon.DevInfo
	thread string   // id of the first mail of a thread
	keys   []string // of a hundred agents, for those who wait
}

// get makes a request and returns how long its answer took.
func (o *office) get(b *testing.B, path string) time.Duration {
	b.Helper()
	begun := time.Now()
	status, body := o.ask(b, path)
	took := time.Since(begun)
	if status != http.StatusOK {
		b.Fatalf("%s: %d %.200s", path, status, body)
	}
	return took
}

func (o *office) ask(b *testing.B, path string) (int, string) {
	b.Helper()
	r, err := http.NewRequestWithContext(b.Context(), http.MethodGet, o.info.HTTP+path, nil)
	check(b, err)
	r.Header.Set("Authorization", "Bearer "+o.info.AgentKey)
	res, err := http.DefaultClient.Do(r)
	check(b, err)
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	check(b, err)
	return res.StatusCode, string(body)
}

// openOffice makes the data of a dev daemon, fills its mailbox in bulk, and starts it.
func openOffice(b *testing.B, mails int) *office {
	b.Helper()
	dir, o := filepath.Join(b.TempDir(), "data"), &office{}
	options := daemon.DevOptions{Data: dir, FreePorts: true, Log: systemtest.Quiet}
	d, err := daemon.NewDev(options)
	check(b, err)
	ctx, stop := context.WithCancel(b.Context())
	check(b, d.Run(ctx, func() error { stop(); return o.read(dir) }))
	o.fill(b, dir, mails)
	d, err = daemon.NewDev(options)
	check(b, err)
	ctx, stop = context.WithCancel(context.Background())
	up, down := make(chan error, 1), make(chan error, 1)
	go func() { down <- d.Run(ctx, func() error { up <- o.read(dir); return nil }) }()
	b.Cleanup(func() {
		stop()
		if err := <-down; err != nil {
			b.Error(err)
		}
	})
	check(b, <-up)
	return o
}

func (o *office) read(dir string) error {
	raw, err := os.ReadFile(filepath.Join(dir, "dev.json"))
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, &o.info)
}

// fill puts mail of the world into the mailbox, past the doors and the gate.
func (o *office) fill(b *testing.B, dir string, mails int) {
	b.Helper()
	s := systemtest.New(b, systemtest.Options{Dir: dir})
	box, now := mail.MustAddress(o.info.Mailbox), time.Now().Add(-24*time.Hour)
	var chain []string
	for n := 0; n < mails; {
		s.Update(func(tx store.Tx) error {
			for range min(500, mails-n) {
				m, raw := letter(box, n, now.Add(time.Duration(n)*100*time.Millisecond))
				if n%(mails/threadSize) == 0 {
					m.Header.References = slices.Clone(chain[max(0, len(chain)-mail.MaxReferences):])
					if chain = append(chain, m.Header.MessageID); len(chain) > 1 {
						m.Header.InReplyTo = chain[len(chain)-2]
					} else {
						o.thread = string(m.ID)
					}
				}
				_, err := s.Ledger.Put(tx, m, store.Inline(queue.RawKey(m.ID), raw), queue.Change{Event: step.Submit,
					Facts: step.Facts{Mode: mail.Autonomous}, Actor: audit.System})
				if err == nil {
					err = s.Inbox.File(tx, m)
				}
				if err != nil {
					return err
				}
				n++
			}
			return nil
		})
	}
	for i := range 100 {
		name := fmt.Sprint("waiter", i)
		s.AddAgent(name, "", mail.MustAddress(fmt.Sprintf("%s@%s", name, box.Domain())))
		_, _, secret := s.AddKey(registry.KeyRequest{Name: name, Kind: registry.KindAgent, Owner: name,
			Scopes: []registry.Scope{registry.ScopeRead}})
		o.keys = append(o.keys, secret)
	}
	check(b, s.DB.Close())
}

// letter is a mail of about one KiB from one of a thousand people.
func letter(box mail.Address, n int, at time.Time) (*mail.Mail, []byte) {
	from := mail.MustAddress(fmt.Sprintf("person%d@dest.test", n%1000))
	var text strings.Builder
	for i := range 120 {
		fmt.Fprintf(&text, "word%d ", (n*31+i*i*17)%(i*50+10))
	}
	m := &mail.Mail{ID: mail.NewID(at), Direction: mail.Incoming, Mailbox: box, Author: "world:world",
		SubmittedAt: at, Digest: mail.Digest(strings.Repeat("d", 64)), Arrival: &mail.Arrival{Helo: "mx.dest.test"},
		Header: mail.Header{From: from, To: []mail.Address{box}, Subject: fmt.Sprint("letter ", n, " about topic", n%97),
			MessageID: fmt.Sprintf("%d@dest.test", n), Date: at},
		Envelope: mail.Envelope{From: from, Rcpts: []mail.Rcpt{{Addr: box, Standing: mail.Delivered}}}}
	raw := fmt.Appendf(nil, "From: <%s>\r\nTo: <%s>\r\nSubject: %s\r\nMessage-ID: <%s>\r\n\r\n%s rare%d\r\n", from, box,
		m.Header.Subject, m.Header.MessageID, text.String(), n)
	m.Size = int64(len(raw))
	return m, raw
}

// BenchmarkMailbox asks a daemon for parts of a mailbox of 100,000 mails over HTTP, and
// reports the time that 99 of 100 answers took at most.
func BenchmarkMailbox(b *testing.B) {
	mails := manyMails
	if testing.Short() {
		mails = 2000
	}
	o := openOffice(b, mails)
	list := "/v1/mailboxes/" + o.info.Mailbox + "/emails"
	begun := time.Now()
	for { // the index is made from the ledger
		if status, _ := o.ask(b, list+"?query=letter&limit=1"); status == http.StatusOK {
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	rate := float64(mails) / time.Since(begun).Seconds()
	for name, path := range map[string]func(i int) string{
		"first-page": func(int) string { return list },
		"thread":     func(int) string { return "/v1/mailboxes/" + o.info.Mailbox + "/threads/" + o.thread + "?limit=50" },
		"query-rare": func(i int) string { return list + "?query=rare" + fmt.Sprint(i*7919%mails) },
		"query-common": func(i int) string {
			return list + "?query=" + url.QueryEscape(fmt.Sprintf(`letter from:person%d -word3 "about topic%d"`, i%1000, i%97))
		},
		// All mail has both words, and none the phrase: all of it would have to be looked at.
		"query-phrase-of-none": func(int) string { return list + "?query=" + url.QueryEscape(`"about letter"`) },
		"query-phrase-of-all":  func(int) string { return list + "?query=" + url.QueryEscape(`"dest test"`) },
		"query-filter-of-none": func(int) string { return list + "?query=letter&subject_contains=no+such" },
	} {
		b.Run(name, func(b *testing.B) {
			var took []time.Duration
			for i := range 150 { // all of them together as many as a key may ask in a minute
				took = append(took, o.get(b, path(i)))
			}
			report(b, took)
			b.ReportMetric(rate, "indexed/s")
		})
	}
	b.Run("long-polls", func(b *testing.B) { o.wait(b) })
	b.Run("wake-up", func(b *testing.B) { o.wake(b) })
}

// report reports how long answers took.
func report(b *testing.B, took []time.Duration) {
	b.Helper()
	slices.Sort(took)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(took[len(took)/2].Seconds()*1e3, "p50-ms")
	b.ReportMetric(took[len(took)*99/100].Seconds()*1e3, "p99-ms")
}

// wake has 200 mails come in while a wait is open, and reports how long after the door
// took each the wait was answered.
func (o *office) wake(b *testing.B) {
	conn, err := net.Dial("tcp", o.info.Inbound)
	check(b, err)
	defer conn.Close()
	c := newClient(conn, "person1@dest.test", o.info.Mailbox)
	check(b, c.expect("220"))
	check(b, c.do("EHLO bench\r\n", "250"))
	box := "/v1/mailboxes/" + o.info.Mailbox
	_, body := o.ask(b, box+"/emails?limit=1")
	var took []time.Duration
	for range 200 {
		since, answered := sinceOf(b, body), make(chan time.Time, 1)
		go func() {
			_, body = o.ask(b, box+"/wait?timeout_seconds=30&since_id="+since)
			answered <- time.Now()
		}()
		time.Sleep(20 * time.Millisecond) // until it waits
		check(b, c.send())
		sent := time.Now()
		took = append(took, max(0, (<-answered).Sub(sent)))
		if now := sinceOf(b, body); now == since {
			b.Fatalf("the wait was not woken: %s", body)
		}
	}
	report(b, took)
}

// sinceOf returns what the next request has as its since_id.
func sinceOf(b *testing.B, body string) string {
	b.Helper()
	var list struct {
		SinceID string `json:"since_id"`
	}
	check(b, json.Unmarshal([]byte(body), &list))
	if list.SinceID == "" {
		b.Fatalf("no since_id in %.200s", body)
	}
	return list.SinceID
}

// wait opens 1,000 long-polls, and reports what they cost beside none: memory of both
// ends, and the time of the processor in ten seconds.
func (o *office) wait(b *testing.B) {
	const each, span = 10, 10 * time.Second
	idle := cpu(b, span)
	before := inUse()
	for i, key := range o.keys {
		for range each {
			conn, err := net.Dial("tcp", strings.TrimPrefix(o.info.HTTP, "http://"))
			check(b, err)
			b.Cleanup(func() { conn.Close() })
			_, err = fmt.Fprintf(conn, "GET /v1/mailboxes/waiter%d@%s/wait?timeout_seconds=45 HTTP/1.1\r\n"+
				"Host: localhost\r\nAuthorization: Bearer %s\r\n\r\n", i, o.info.Domain, key)
			check(b, err)
		}
	}
	time.Sleep(2 * time.Second) // until all of them wait
	after := inUse()
	busy := cpu(b, span)
	b.ReportMetric(0, "ns/op")
	b.ReportMetric(float64(after-before)/(1<<20), "MiB")
	b.ReportMetric(idle.Seconds()*1e3, "idle-cpu-ms")
	b.ReportMetric(busy.Seconds()*1e3, "waiting-cpu-ms")
}

// inUse is the memory that is in use after a collection.
func inUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
}

// cpu returns the time of the processor that this process takes in a span.
func cpu(b *testing.B, span time.Duration) time.Duration {
	b.Helper()
	used := func() time.Duration {
		var u syscall.Rusage
		check(b, syscall.Getrusage(syscall.RUSAGE_SELF, &u))
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	begun := used()
	time.Sleep(span)
	return used() - begun
}
