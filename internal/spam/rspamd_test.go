package spam

import (
	"context"
	"errors"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestRspamdIsToldOfTheTransaction(t *testing.T) {
	var got string
	talk := func(conn net.Conn) {
		got = readRequest(conn)
		io.WriteString(conn, jsonHeader+`{"score":0,"action":"no action"}`)
	}
	o := options(KindRspamd, "http://127.0.0.1:11333", talk)
	o.Password = "secret word"
	judged(t, newFilter(t, o), incoming(plainMail))
	for _, want := range []string{
		"POST /checkv2 HTTP/1.1\r\n", "\r\nFrom: anna@sender.test\r\n", "\r\nHelo: mx.sender.test\r\n",
		"\r\nIp: 192.0.2.7\r\n", "\r\nRcpt: agent@example.test\r\n", "\r\nQueue-Id: QQQQQQQQQQ-1\r\n",
		"\r\nPassword: secret word\r\n", "\r\nMta-Name: mx.example.test\r\n", "\r\n\r\n" + plainMail,
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\r\nUser:") {
		t.Error("a stranger is told as a user")
	}
	judged(t, newFilter(t, o), outgoing())
	if !strings.Contains(got, "\r\nUser: scout\r\n") ||
		!strings.Contains(got, "\r\nQueue-Id: 01JDM0000000000000000000AA\r\n") || strings.Contains(got, "\r\nIp:") {
		t.Errorf("outgoing:\n%s", got)
	}
}

// What a client calls itself cannot add a field, and a hop in front is not judged as
// if it were the author.
func TestRspamdIsToldNothingThatAStrangerForged(t *testing.T) {
	var got string
	talk := func(conn net.Conn) {
		got = readRequest(conn)
		io.WriteString(conn, jsonHeader+`{"score":0,"action":"no action"}`)
	}
	f := newFilter(t, options(KindRspamd, "unix:/run/rspamd.sock", talk))
	m := incoming(plainMail)
	m.Arrival.Helo, m.Arrival.Remote = "x\r\nUser: admin", "fe80::1%eth0\r\nUser: admin"
	judged(t, f, m)
	if strings.Contains(got, "\r\nUser:") || strings.Contains(got, "Helo") || strings.Contains(got, "admin") {
		t.Errorf("told:\n%s", got)
	}
	m = incoming(plainMail)
	m.Arrival.Hop, m.Envelope.From = "front", mail.Address{}
	judged(t, f, m)
	if strings.Contains(got, "192.0.2.7") || strings.Contains(got, "Helo") || !strings.Contains(got, "From: <>\r\n") {
		t.Errorf("told:\n%s", got)
	}
}

func TestRspamdActionsAreVerdicts(t *testing.T) {
	for action, want := range map[string]mail.Verdict{
		"no action": mail.SpamClean, "greylist": mail.SpamClean, "add header": mail.SpamFlagged,
		"rewrite subject": mail.SpamFlagged, "reject": mail.SpamQuarantined, "quarantine": mail.SpamQuarantined,
		"discard": mail.SpamQuarantined,
	} {
		body := `{"is_skipped":false,"score":3.5,"required_score":15,"action":"` + action + `",
			"message-id":"one@sender.test",
			"symbols":{"B":{"name":"B","score":0},"A":{"name":"A","score":1.5,"description":"one\ntwo"},"C":{"score":4}}}`
		f := newFilter(t, options(KindRspamd, "http://127.0.0.1:11333", says(body)))
		s := judged(t, f, incoming(plainMail))
		if s.Verdict != want || s.Score != 3.5 || s.Filter != KindRspamd {
			t.Errorf("%s: %+v", action, s)
		}
		reasons := []string{"C 4", `A 1.5: one\x0atwo`}
		if want != mail.SpamClean {
			reasons = append([]string{"rspamd: " + action}, reasons...)
		}
		if !slices.Equal(s.Reasons, reasons) {
			t.Errorf("%s: %q", action, s.Reasons)
		}
	}
}

func TestASoftRejectRefusesForNow(t *testing.T) {
	o := options(KindRspamd, "http://127.0.0.1:11333", says(`{"score":3,"action":"soft reject"}`))
	o.WhenDown = DownAccept // it is not down
	_, err := newFilter(t, o).Judge(t.Context(), incoming(plainMail), []byte(plainMail))
	var e *mail.Error
	if !errors.As(err, &e) || !e.Temporary() || e.Public != errLater.Public {
		t.Errorf("%v", err)
	}
}

// Each is a filter that is broken, or lies. What is configured happens, in bounded
// time: synctest would not end while a goroutine waits.
func TestABrokenRspamdCountsAsDown(t *testing.T) {
	deep := strings.Repeat(`{"a":`, 20_000)
	for name, c := range map[string]struct {
		why  string
		talk func(net.Conn)
	}{
		"nobody listens":         {failConnect, nil},
		"closes at once":         {failClosed, func(net.Conn) {}},
		"closes after question":  {failClosed, answers("")},
		"closes in the header":   {failClosed, answers("HTTP/1.1 200 OK\r\nContent-Ty")},
		"closes in the body":     {failClosed, answers(jsonLength(100), `{"score":1,"action":"no action"}`)},
		"hangs":                  {failTimeout, func(c net.Conn) { readRequest(c); io.Copy(io.Discard, c) }},
		"never reads":            {failTimeout, func(net.Conn) { time.Sleep(time.Hour) }},
		"an octet a second":      {failTimeout, drips},
		"endless body":           {failAnswer, endless},
		"endless header":         {failClosed, func(c net.Conn) { readRequest(c); flood(c, "X: y\r\n", status) }},
		"says it is 1 GB":        {failAnswer, func(c net.Conn) { readRequest(c); flood(c, " ", jsonLength(1<<30)) }},
		"no HTTP":                {failClosed, answers("220 mx.example.test ESMTP\r\n")},
		"status 500":             {failAnswer, answers("HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")},
		"a redirect":             {failAnswer, answers("HTTP/1.1 307 No\r\nLocation: http://192.0.2.1/\r\n\r\n")},
		"another content type":   {failAnswer, answers(strings.Replace(jsonHeader, "json", "xml", 1), good)},
		"no content type":        {failAnswer, answers("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n", good)},
		"malformed JSON":         {failAnswer, says(`{"score":1,`)},
		"JSON of another form":   {failAnswer, says(`[1]`)},
		"JSON that is deep":      {failAnswer, says(deep)},
		"two objects":            {failAnswer, says(good + good)},
		"empty":                  {failAnswer, says("")},
		"null":                   {failAnswer, says(`null`)},
		"no score":               {failAnswer, says(`{"action":"no action"}`)},
		"score is NaN":           {failAnswer, says(`{"score":NaN,"action":"no action"}`)},
		"score is a text":        {failAnswer, says(`{"score":"NaN","action":"no action"}`)},
		"score is null":          {failAnswer, says(`{"score":null,"action":"no action"}`)},
		"score overflows":        {failAnswer, says(`{"score":1e999,"action":"no action"}`)},
		"score is huge":          {failAnswer, says(`{"score":1e300,"action":"reject"}`)},
		"score is far below 0":   {failAnswer, says(`{"score":-1e9,"action":"no action"}`)},
		"required_score is huge": {failAnswer, says(`{"score":1,"required_score":1e30,"action":"no action"}`)},
		"no action":              {failAnswer, says(`{"score":1}`)},
		"an unknown action":      {failAnswer, says(`{"score":1,"action":"invent"}`)},
		"an error":               {failAnswer, says(`{"error":"no memory","score":1,"action":"no action"}`)},
		"about another mail":     {failAnswer, says(`{"score":1,"action":"no action","message-id":"two@sender.test"}`)},
		"too many symbols":       {failAnswer, says(manySymbols())},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				down(t, options(KindRspamd, "http://127.0.0.1:11333", c.talk), c.why)
				time.Sleep(2 * time.Hour) // what talks ends
			})
		})
	}
}

// down demands that a filter counts as down, in both configured ways.
func down(t *testing.T, o Options, why string) {
	t.Helper()
	start := time.Now()
	_, err := newFilter(t, o).Judge(t.Context(), incoming(plainMail), []byte(plainMail))
	var e *mail.Error
	if !errors.As(err, &e) || !e.Temporary() || e.Public != errDown.Public {
		t.Errorf("tempfail: %v", err)
	}
	if took := time.Since(start); took > o.Timeout {
		t.Errorf("took %v", took)
	}
	if n := counted(t, o, `mail_filter_failures_total{reason="`+why+`"}`); n != "1" {
		t.Errorf("%s failures counted as %s; %v", n, why, e.Err)
	}
	o.WhenDown = DownAccept
	s := judged(t, newFilter(t, o), incoming(plainMail))
	if s.Verdict != mail.SpamFlagged || len(s.Reasons) != 1 || !strings.Contains(s.Reasons[0], "not checked") {
		t.Errorf("accept-flagged: %+v", s)
	}
}

// A mail that is taken while the filter is down is still judged by the own signs.
func TestTheOwnSignsStandWhileTheFilterIsDown(t *testing.T) {
	o := options(KindRspamd, "http://127.0.0.1:11333", nil)
	o.WhenDown = DownAccept
	m := incoming(plainMail)
	m.Arrival.Auth.Quarantine = true
	if s := judged(t, newFilter(t, o), m); s.Verdict != mail.SpamQuarantined {
		t.Errorf("%+v", s)
	}
}

func TestAnOddMessageIDIsNotCompared(t *testing.T) {
	for _, c := range []struct {
		answered, asked string
		other           bool
	}{
		{"a@b.test", "a@b.test", false}, {"c@b.test", "a@b.test", true}, {"undef", "a@b.test", false},
		{"", "a@b.test", false}, {"a b@c.test", `"a b"@c.test`, false}, {"x@y.test", "", false},
	} {
		if got := other(c.answered, c.asked); got != c.other {
			t.Errorf("%q for %q: %v", c.answered, c.asked, got)
		}
	}
}

func TestAClientThatGoesEndsTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := options(KindRspamd, "http://127.0.0.1:11333", func(c net.Conn) { readRequest(c); io.Copy(io.Discard, c) })
		f := newFilter(t, o)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start := time.Now()
		_, err := f.Judge(ctx, incoming(plainMail), []byte(plainMail))
		if !errors.Is(err, mail.ErrUnavailable) || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if f.fuses[mail.Incoming].failed != 0 {
			t.Error("it counts against the filter")
		}
	})
}

const status = "HTTP/1.1 200 OK\r\n"

// says is a filter that answers with this JSON.
func says(body string) func(net.Conn) { return answers(jsonHeader, body) }

const good = `{"score":1,"action":"no action"}`

func jsonLength(n int) string {
	return strings.Replace(jsonHeader, "Connection: close", "Content-Length: "+itoa(n), 1)
}

func itoa(n int) string { return strconv.Itoa(n) }

func manySymbols() string {
	var list []string
	for i := range maxSymbols + 1 {
		list = append(list, `"S`+itoa(i)+`":{"score":1}`)
	}
	return `{"score":1,"action":"no action","symbols":{` + strings.Join(list, ",") + `}}`
}

// drips sends an octet a second, for ever.
func drips(c net.Conn) {
	readRequest(c)
	for _, err := io.WriteString(c, jsonHeader); err == nil; _, err = io.WriteString(c, " ") {
		time.Sleep(time.Second)
	}
}

func endless(c net.Conn) {
	readRequest(c)
	flood(c, strings.Repeat(" ", 1000), jsonHeader)
}

// most is what a flood may get rid of: reading goes on to the limit and not beyond.
const most = 2 * maxAnswer

// flood writes piece after start until nobody reads any more.
func flood(c net.Conn, piece, start string) {
	io.WriteString(c, start)
	piece = strings.Repeat(piece, 1+1000/len(piece))
	for n := 0; ; n += len(piece) {
		if n > most {
			panic("a filter may send without end")
		}
		if _, err := io.WriteString(c, piece); err != nil {
			return
		}
	}
}

// FuzzReadAnswer feeds the reader of rspamd's answers. What is taken has a verdict and
// a score that can be meant.
func FuzzReadAnswer(f *testing.F) {
	f.Add([]byte(good))
	f.Add([]byte(`{"score":-1e4,"action":"soft reject","symbols":{"A":{"score":"x"},"B":[1],"C":null}}`))
	f.Add([]byte(manySymbols()))
	f.Fuzz(func(t *testing.T, body []byte) {
		a, err := readAnswer(body, "one@sender.test")
		if err == nil {
			err = a.check()
		}
		switch {
		case err != nil && !errors.Is(err, errAnswer):
			t.Errorf("an error of another kind: %v", err)
		case err == nil && !(a.score >= -maxScore && a.score <= maxScore):
			t.Errorf("score %v", a.score)
		}
		for _, r := range bounded(a.reasons) {
			if len([]rune(r)) > maxReason+1 || strings.ContainsAny(r, "\r\n\x1b") {
				t.Errorf("reason %q", r)
			}
		}
	})
}
