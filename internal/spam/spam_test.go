package spam

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math"
	"net"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/metrics"
	"github.com/multimail/multimail/mail"
)

// plainMail is a mail that has no sign.
const plainMail = "From: Anna <anna@sender.test>\r\nTo: agent@example.test\r\nSubject: Lunch\r\n" +
	"Date: Thu, 26 Nov 2026 10:00:00 +0000\r\nMessage-ID: <one@sender.test>\r\n\r\nAt noon, as ever.\r\n"

// incoming is the record of raw as the gate has it when it asks.
func incoming(raw string) *mail.Mail {
	return &mail.Mail{
		Direction: mail.Incoming, Author: mail.World, Door: "smtp-in",
		Mailbox: mail.MustAddress("agent@example.test"),
		Envelope: mail.Envelope{From: mail.MustAddress("anna@sender.test"),
			Rcpts: []mail.Rcpt{{Addr: mail.MustAddress("agent@example.test")}}},
		Header:      mail.Header{MessageID: "one@sender.test"},
		SubmittedAt: time.Date(2026, 11, 26, 10, 0, 5, 0, time.UTC), Size: int64(len(raw)),
		Arrival: &mail.Arrival{Helo: "mx.sender.test", Remote: "192.0.2.7", Transaction: "QQQQQQQQQQ-1",
			Auth: mail.Authentication{
				SPF:   mail.Check{Result: "pass", Domain: "sender.test"},
				DKIM:  []mail.Check{{Result: "pass", Domain: "sender.test"}},
				DMARC: mail.Check{Result: "pass", Domain: "sender.test"},
			}},
	}
}

// outgoing is the record of a submission.
func outgoing() *mail.Mail {
	m := incoming(plainMail)
	m.ID = "01JDM0000000000000000000AA"
	m.Direction, m.Arrival, m.Author, m.Agent, m.Door = mail.Outgoing, nil, "agent:scout", "scout", "smtp"
	m.Envelope.From, m.Envelope.Rcpts[0].Addr = m.Envelope.Rcpts[0].Addr, m.Envelope.From
	return m
}

// options are those of a filter at the other end of talk.
func options(kind, address string, talk func(net.Conn)) Options {
	return Options{
		Kind: kind, Address: address, Timeout: 10 * time.Second, MaxSize: 1 << 20, Outgoing: true,
		WhenDown: DownTempfail, FlagScore: 6, QuarantineScore: 15, Hostname: "mx.example.test",
		Log: slog.New(slog.DiscardHandler), Metrics: metrics.New(),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			if talk == nil {
				return nil, errors.New("connection refused")
			}
			ours, theirs := net.Pipe()
			go func() {
				defer theirs.Close()
				talk(theirs)
			}()
			return ours, nil
		},
	}
}

func newFilter(t *testing.T, o Options) *Filter {
	t.Helper()
	f, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// judged asks a filter about a mail that has no sign.
func judged(t *testing.T, f *Filter, m *mail.Mail) mail.Spam {
	t.Helper()
	s, err := f.Judge(t.Context(), m, []byte(plainMail))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOutgoingMailIsAskedAboutOnlyIfThatIsSet(t *testing.T) {
	o := options(KindNone, "", nil)
	if s := judged(t, newFilter(t, o), outgoing()); s.Verdict != "" {
		t.Errorf("without a filter: %+v", s)
	}
	o = options(KindRspamd, "http://127.0.0.1:11333", answers(jsonHeader, `{"score":20,"action":"reject"}`))
	o.Outgoing = false
	if s := judged(t, newFilter(t, o), outgoing()); s.Verdict != "" {
		t.Errorf("with outgoing off: %+v", s)
	}
	o.Outgoing = true
	if s := judged(t, newFilter(t, o), outgoing()); s.Verdict != mail.SpamQuarantined || s.Filter != KindRspamd {
		t.Errorf("with outgoing on: %+v", s)
	}
}

func TestTheWorseVerdictAndTheLargerScoreStand(t *testing.T) {
	raw := strings.Replace(plainMail, "Content", "", 1)
	for _, c := range []struct {
		name, answer string
		auth         mail.Authentication
		verdict      mail.Verdict
		score        float64
	}{
		{"both clean", `{"score":-3.2,"action":"no action"}`, mail.Authentication{}, mail.SpamClean, 0},
		{"our signs are worse", `{"score":1,"action":"no action"}`,
			mail.Authentication{DMARC: mail.Check{Result: "fail"}, Quarantine: true}, mail.SpamQuarantined, 15},
		{"the filter is worse", `{"score":7.25,"action":"add header"}`,
			mail.Authentication{SPF: mail.Check{Result: "fail"}}, mail.SpamFlagged, 7.25},
		{"the score says more than the action", `{"score":15,"action":"no action"}`,
			mail.Authentication{}, mail.SpamQuarantined, 15},
		{"the action says more than the score", `{"score":0.1,"action":"reject"}`,
			mail.Authentication{}, mail.SpamQuarantined, 0.1},
	} {
		m := incoming(raw)
		m.Arrival.Auth = c.auth
		f := newFilter(t, options(KindRspamd, "http://127.0.0.1:11333", answers(jsonHeader, c.answer)))
		if s := judged(t, f, m); s.Verdict != c.verdict || s.Score != c.score {
			t.Errorf("%s: %s %v, want %s %v", c.name, s.Verdict, s.Score, c.verdict, c.score)
		}
	}
}

func TestAProbeSaysWhetherTheFilterAnswers(t *testing.T) {
	rejects := &scripted{version: 6, by: map[byte]string{'C': packet('r', "")}}
	for name, c := range map[string]struct {
		o    Options
		kind string
		err  error
	}{
		"none":      {options(KindNone, "", nil), "", nil},
		"answers":   {options(KindMilter, "unix:/m", (&scripted{version: 6}).talk), KindMilter, nil},
		"rejects":   {options(KindMilter, "unix:/m", rejects.talk), KindMilter, nil},
		"is absent": {options(KindRspamd, "unix:/r", nil), KindRspamd, errConnect},
		"lies":      {options(KindMilter, "unix:/m", (&scripted{version: 1}).talk), KindMilter, errAnswer},
	} {
		kind, err := newFilter(t, c.o).Probe(t.Context())
		if kind != c.kind || !errors.Is(err, c.err) {
			t.Errorf("%s: %q, %v", name, kind, err)
		}
	}
}

// No threshold switches off what the configuration makes of DMARC.
func TestDMARCQuarantinesWhateverTheThresholdIs(t *testing.T) {
	o := options(KindNone, "", nil)
	o.QuarantineScore = 1000
	m := incoming(plainMail)
	m.Arrival.Auth.Quarantine = true
	if s := judged(t, newFilter(t, o), m); s.Verdict != mail.SpamQuarantined {
		t.Errorf("%+v", s)
	}
}

func TestAMailThatIsTooLargeIsFlaggedUnasked(t *testing.T) {
	o := options(KindRspamd, "http://127.0.0.1:11333", func(net.Conn) { t.Error("it is asked") })
	o.MaxSize = int64(len(plainMail)) - 1
	s := judged(t, newFilter(t, o), incoming(plainMail))
	if s.Verdict != mail.SpamFlagged || len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], "larger") {
		t.Errorf("%+v", s)
	}
}

func TestReasonsAreBoundedAndNeutralised(t *testing.T) {
	var many []string
	for range 500 {
		many = append(many, "bad\x1b[2J \u202e line\r\nVerdict: clean "+strings.Repeat("x", 1000))
	}
	got := bounded(many)
	if len(got) != maxReasons+1 || got[maxReasons] != "and 480 more" {
		t.Fatalf("%d reasons, the last %q", len(got), got[len(got)-1])
	}
	if strings.ContainsAny(got[0], "\x1b\r\n\u202e") || len([]rune(got[0])) > maxReason+1 {
		t.Errorf("%q", got[0])
	}
}

func TestNewRefusesWhatCannotBeMeant(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"no thresholds":             func(o *Options) { o.FlagScore = 0 },
		"thresholds the other way":  func(o *Options) { o.QuarantineScore = 1 },
		"no log":                    func(o *Options) { o.Log = nil },
		"no timeout":                func(o *Options) { o.Timeout = 0 },
		"no size":                   func(o *Options) { o.MaxSize = 0 },
		"no word for down":          func(o *Options) { o.WhenDown = "" },
		"a kind that is not there":  func(o *Options) { o.Kind = "spamd" },
		"an address of nothing":     func(o *Options) { o.Address = "" },
		"an address with a path":    func(o *Options) { o.Address = "http://127.0.0.1/x" },
		"a milter by HTTP":          func(o *Options) { o.Kind, o.Address = KindMilter, "http://127.0.0.1" },
		"a milter without a socket": func(o *Options) { o.Kind, o.Address = KindMilter, "unix:" },
	} {
		o := options(KindRspamd, "http://127.0.0.1:11333", nil)
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestAnAnswerThatCannotBeMeantIsRefused(t *testing.T) {
	for _, score := range []float64{math.NaN(), math.Inf(1), math.Inf(-1), maxScore + 1, -maxScore - 1} {
		if err := (answer{verdict: mail.SpamClean, score: score}).check(); !errors.Is(err, errAnswer) {
			t.Errorf("score %v: %v", score, err)
		}
	}
	if err := (answer{score: 1}).check(); !errors.Is(err, errAnswer) {
		t.Errorf("without a verdict: %v", err)
	}
	if err := (answer{verdict: mail.SpamClean, score: -7}).check(); err != nil {
		t.Errorf("a score of good mail: %v", err)
	}
}

func TestVerdictsAreCounted(t *testing.T) {
	o := options(KindRspamd, "http://127.0.0.1:11333", answers(jsonHeader, `{"score":20,"action":"reject"}`))
	f := newFilter(t, o)
	judged(t, f, incoming(plainMail))
	judged(t, f, outgoing())
	judged(t, f, outgoing())
	for direction, want := range map[string]string{"in": "1", "out": "2"} {
		name := `mail_spam_verdicts_total{direction="` + direction + `",verdict="quarantined"}`
		if got := counted(t, o, name); got != want {
			t.Errorf("%s: %s counted, want %s", direction, got, want)
		}
	}
}

// counted returns the value of a counter, as it is scraped.
func counted(t *testing.T, o Options, name string) string {
	t.Helper()
	w := httptest.NewRecorder()
	o.Metrics.(*metrics.Metrics).Handler().ServeHTTP(w, httptest.NewRequest("GET", "/metrics", nil))
	for line := range strings.Lines(w.Body.String()) {
		if v, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(v)
		}
	}
	return "none"
}

// The bytes of a mail are never changed, whoever is asked.
func TestJudgeLeavesTheBytesAlone(t *testing.T) {
	raw := []byte(plainMail)
	f := newFilter(t, options(KindRspamd, "http://127.0.0.1:11333",
		answers(jsonHeader, `{"score":9,"action":"rewrite subject","subject":"SPAM","milter":{"add_headers":{"X":"y"}}}`)))
	if _, err := f.Judge(t.Context(), incoming(plainMail), raw); err != nil || !bytes.Equal(raw, []byte(plainMail)) {
		t.Errorf("changed, or %v", err)
	}
}

// readAll reads a request until the message in it has come.
func readRequest(conn net.Conn) string {
	var b strings.Builder
	buf := make([]byte, 4096)
	for !strings.HasSuffix(b.String(), "as ever.\r\n") {
		n, err := conn.Read(buf)
		b.Write(buf[:n])
		if err != nil {
			break
		}
	}
	return b.String()
}

const jsonHeader = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"

// answers is a filter that reads the question and says this.
func answers(parts ...string) func(net.Conn) {
	return func(conn net.Conn) {
		readRequest(conn)
		answersNow(conn, strings.Join(parts, ""))
	}
}

func answersNow(conn net.Conn, s string) { io.WriteString(conn, s) }
