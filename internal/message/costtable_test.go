package message_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// What the answer may be, in octets: so many times the mail, and so many more.
const (
	answerFactor = 4
	answerSlack  = 2 << 20
)

// size is that of a mail and of the answer to it, in octets.
type size struct{ mail, answer int }

// A row is a kind of mail, with what it costs to read, sign and show n, 2n and
// 4n octets of it.
func TestCostGrowsWithTheSizeOfAMailAlone(t *testing.T) {
	stamper := newStamper(t)
	shapes := message.Shapes()
	slices.SortFunc(shapes, func(a, b message.Shape) int { return strings.Compare(a.Name, b.Name) })
	if len(shapes) < 40 {
		t.Fatalf("%d shapes", len(shapes))
	}
	var table strings.Builder
	fmt.Fprintf(&table, "%-36s %9s | %8s %8s %8s | %8s %8s %8s | %8s %8s %8s\n", "shape", "n octets",
		"CPU n ms", "2n", "4n", "heap KiB", "2n", "4n", "answer", "2n", "4n")
	for _, s := range shapes {
		var jobs [3]func()
		var sizes [3]size
		for i := range jobs {
			job := newJob(t, s, s.Octets<<i, stamper)
			jobs[i] = func() { sizes[i] = job() }
		}
		costs, why := mailtest.Grow(jobs)
		if why != "" {
			t.Errorf("%s: %s", s.Name, why)
		}
		for _, x := range sizes {
			if x.answer > answerFactor*x.mail+answerSlack {
				t.Errorf("%s: %d octets answer %d", s.Name, x.mail, x.answer)
			}
		}
		table.WriteString(row(s.Name, costs, sizes))
	}
	t.Logf("%d shapes\n%s", len(shapes), table.String())
}

func row(name string, c mailtest.Costs, s [3]size) string {
	out := fmt.Sprintf("%-36s %9d |", name, s[0].mail)
	for _, x := range c {
		out += fmt.Sprintf(" %8.2f", float64(x.CPU)/1e6)
	}
	out += " |"
	for _, x := range c {
		out += fmt.Sprintf(" %8d", x.Heap>>10)
	}
	return out + fmt.Sprintf(" | %8d %8d %8d\n", s[0].answer, s[1].answer, s[2].answer)
}

// newJob returns a function that reads, signs and shows one mail.
func newJob(t *testing.T, s message.Shape, n int, stamper *dkim.Stamper) func() size {
	if s.Draft != nil {
		d := s.Draft(n)
		return func() size {
			msg, err := composeAndRead(d)
			if err != nil {
				return size{mail: len(d.Markdown)} // refused, at whatever that cost
			}
			return size{len(msg.Raw), answer(msg.Raw)}
		}
	}
	raw := s.Mail(n)
	return func() size {
		msg, err := message.Read(raw, options)
		if err == nil && s.Header {
			if _, err := stamper.Stamp(context.Background(), released, append([]byte(identity), msg.Raw...)); err != nil {
				t.Fatal(err)
			}
		}
		message.ReadIncoming(raw) // a stranger may have sent it
		message.NewReading(raw, message.ReadingLimits{})
		return size{len(raw), answer(raw)} // what was stored under older limits is shown too
	}
}

// answer is the size of the review of raw as JSON.
func answer(raw []byte) int {
	b, err := json.Marshal(message.NewReview(raw))
	if err != nil {
		panic(err)
	}
	return len(b)
}

var (
	noon     = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	options  = message.ReadOptions{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA", Now: noon, Host: "mx.a.test"}
	released = &mail.Mail{ID: "01JAAAAAAAAAAAAAAAAAAAAAAA",
		Header: mail.Header{From: mail.MustAddress("bot@a.test")}, Release: &mail.Release{At: noon}}
)

const identity = "X-MultiMail-Identity: eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJib3QifQ.c2ln\r\n"

// newStamper signs for a.test.
func newStamper(t *testing.T) *dkim.Stamper {
	t.Helper()
	keys := dkim.OpenKeys(t.TempDir(), dkim.Options{})
	if err := keys.Ensure("a.test", noon); err != nil {
		t.Fatal(err)
	}
	return dkim.NewStamper(keys)
}
