// Package spam judges whether a mail is junk: by a few signs built in, and by a filter
// program that is asked, rspamd over HTTP or any milter.
//
// [Filter.Judge] gives a verdict with a score and reasons. It never changes a mail:
// what a milter wants changed is not looked at. A filter is somebody else's program
// that reads what strangers wrote, so its answer is checked like any input, in bounded
// time and memory; one that cannot be asked, or whose answer cannot be meant, counts as
// down, and what then happens to mail is a setting (invariant 7).
package spam

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// The kinds of filter programs.
const (
	KindNone   = ""
	KindRspamd = "rspamd"
	KindMilter = "milter"
)

// What becomes of mail while the filter is down.
const (
	DownTempfail = "tempfail"       // it is refused for now
	DownAccept   = "accept-flagged" // it is taken, and flagged
)

// Meter counts what becomes of questions to the filter; a *metrics.Metrics is one.
type Meter interface {
	CountVerdict(direction, verdict string)
	CountLimit(name string)
	CountFilterFailure(reason string)
	FilterTook(d time.Duration)
}

// Options are the settings of a filter. Every number is required.
type Options struct {
	Kind     string // KindNone: the signs built in alone
	Address  string // "http://127.0.0.1:11333", "https://…", "unix:/path"; a milter: "inet:127.0.0.1:8891", "unix:/path"
	Password string // of rspamd; may be empty
	TLS      *tls.Config

	Timeout  time.Duration // of one question, the wait for a turn included
	MaxSize  int64         // octets; a larger mail is not sent to the filter, and flagged
	Outgoing bool          // outgoing mail is asked about too
	WhenDown string        // DownTempfail or DownAccept

	FlagScore, QuarantineScore float64 // points from which a mail is flagged, quarantined

	Hostname string // our name, for a milter
	Log      *slog.Logger
	Metrics  Meter

	// Dial makes the connections; nil means a net.Dialer.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// Filter judges mail. It is safe for concurrent use.
type Filter struct {
	o   Options
	ask func(ctx context.Context, m *mail.Mail, raw []byte) (answer, error) // nil: nobody is asked
	// By direction: what strangers bring must not use up what agents need, nor the other
	// way round.
	fuses [len(mail.Directions)]fuse
	turns [len(mail.Directions)]chan struct{}
}

// answer is what a filter program says of a mail.
type answer struct {
	verdict mail.Verdict
	score   float64
	reasons []string // a stranger's words
	later   bool     // it asks that the mail be refused for now
}

// maxQuestions bounds the questions of one direction that wait for an answer at the same time.
const maxQuestions = 16

// What a client is told. An attacker learns nothing of the filter.
var (
	errDown = mail.ErrUnavailable.Errorf("the mail cannot be checked now; try again later")
	// ErrLater is the filter's own wish: greylisting, a rate, a look-up that failed.
	errLater = mail.ErrUnavailable.Errorf("the mail is not accepted for now; try again later")
)

// New returns a filter. It asks nobody yet: a filter that is down at the start is
// treated as one that goes down later.
func New(o Options) (*Filter, error) {
	if o.FlagScore <= 0 || o.QuarantineScore < o.FlagScore || o.Log == nil || o.Metrics == nil {
		return nil, errors.New("spam: FlagScore, QuarantineScore, Log and Metrics are required")
	}
	f := &Filter{o: o}
	for d := range f.turns {
		f.turns[d] = make(chan struct{}, maxQuestions)
	}
	if o.Kind == KindNone {
		return f, nil
	}
	if o.Timeout <= 0 || o.MaxSize <= 0 || o.WhenDown != DownTempfail && o.WhenDown != DownAccept {
		return nil, errors.New("spam: Timeout, MaxSize and WhenDown are required")
	}
	if o.Dial == nil {
		f.o.Dial = netDial
	}
	var err error
	switch o.Kind {
	case KindRspamd:
		f.ask, err = newRspamd(f.o)
	case KindMilter:
		f.ask, err = newMilter(f.o)
	default:
		err = fmt.Errorf("spam: no kind of filter %q", o.Kind)
	}
	return f, err
}

var netDial = (&net.Dialer{}).DialContext

// Judge gives the verdict over a mail with the canonical bytes raw, before it is
// stored. Mail that comes in is judged by the signs built in and by the filter,
// outgoing mail by the filter alone and only if that is set: an approver is shown the
// same findings as warnings. Where nobody is asked, the result has no verdict. The error
// is a *mail.Error, temporary, where the mail is to be refused for now.
func (f *Filter) Judge(ctx context.Context, m *mail.Mail, raw []byte) (mail.Spam, error) {
	incoming := m.Direction == mail.Incoming
	if !incoming && (f.ask == nil || !f.o.Outgoing) {
		return mail.Spam{}, nil
	}
	found := &findings{}
	if incoming {
		found = judge(m, raw)
	}
	s := mail.Spam{Verdict: f.verdictOf(found.score), Score: found.score, Reasons: found.reasons}
	if m.Arrival != nil && m.Arrival.Auth.Quarantine { // whatever the threshold is
		s.Verdict = mail.SpamQuarantined
	}
	if f.ask != nil {
		if err := f.consult(ctx, m, raw, &s); err != nil {
			return mail.Spam{}, err
		}
	}
	s.Score = round(s.Score)
	s.Reasons = bounded(s.Reasons)
	f.o.Metrics.CountVerdict(direction(incoming), string(s.Verdict))
	return s, nil
}

// Probe asks the filter about a mail of ours and says why it gives no verdict. Which
// one it gives does not matter. kind is that of the filter, "" for none.
func (f *Filter) Probe(ctx context.Context) (kind string, err error) {
	if f.ask == nil {
		return KindNone, nil
	}
	a := mail.MustAddress("postmaster@localhost.localdomain")
	m := &mail.Mail{Direction: mail.Outgoing, Agent: "doctor", Header: mail.Header{MessageID: "probe@localhost"},
		Envelope: mail.Envelope{From: a, Rcpts: []mail.Rcpt{{Addr: a}}}}
	ctx, cancel := context.WithTimeout(ctx, f.o.Timeout)
	defer cancel()
	said, err := f.ask(ctx, m, []byte(probe))
	if err == nil {
		err = said.check()
	}
	return f.o.Kind, err
}

// probe is the mail of Probe.
const probe = "From: postmaster@localhost.localdomain\r\nTo: postmaster@localhost.localdomain\r\n" +
	"Subject: Probe\r\nMessage-ID: <probe@localhost>\r\n\r\nA probe of the spam filter.\r\n"

// direction is the label of the counter.
func direction(incoming bool) string {
	if incoming {
		return "in"
	}
	return "out"
}

// verdictOf is what a score alone means.
func (f *Filter) verdictOf(score float64) mail.Verdict {
	switch {
	case score >= f.o.QuarantineScore:
		return mail.SpamQuarantined
	case score >= f.o.FlagScore:
		return mail.SpamFlagged
	}
	return mail.SpamClean
}

// consult asks the filter and merges its answer into s: the worse verdict, and the
// larger score, since both count much of the same.
func (f *Filter) consult(ctx context.Context, m *mail.Mail, raw []byte, s *mail.Spam) error {
	s.Filter = f.o.Kind
	if int64(len(raw)) > f.o.MaxSize {
		f.o.Metrics.CountLimit(string(mail.LimitFilterSize))
		s.Verdict = worse(s.Verdict, mail.SpamFlagged)
		s.Reasons = append(s.Reasons, "not checked by the filter: larger than what it is sent")
		return nil
	}
	a, err := f.question(ctx, m, raw)
	switch {
	case err != nil && ctx.Err() != nil: // the client has gone, or we stop
		return errDown.Because(ctx.Err())
	case err != nil && f.o.WhenDown == DownTempfail:
		return errDown.Because(err)
	case err != nil:
		s.Verdict = worse(s.Verdict, mail.SpamFlagged)
		s.Reasons = append(s.Reasons, "not checked by the filter: it is down")
		return nil
	case a.later:
		f.o.Metrics.CountFilterFailure("later")
		return errLater.Because(fmt.Errorf("spam: %s: %s", f.o.Kind, strings.Join(bounded(a.reasons), "; ")))
	}
	s.Score = max(s.Score, a.score)
	s.Verdict = worse(worse(s.Verdict, a.verdict), f.verdictOf(s.Score))
	s.Reasons = append(s.Reasons, a.reasons...)
	return nil
}

// question asks the filter in its turn, and counts.
func (f *Filter) question(parent context.Context, m *mail.Mail, raw []byte) (a answer, err error) {
	fuse, turns := &f.fuses[m.Direction], f.turns[m.Direction]
	if !fuse.allows(time.Now()) {
		f.o.Metrics.CountFilterFailure(failDown)
		return a, errors.New("spam: the filter has not answered lately")
	}
	ctx, cancel := context.WithTimeout(parent, f.o.Timeout)
	defer cancel()
	select {
	case turns <- struct{}{}:
		defer func() { <-turns }()
	case <-ctx.Done():
	}
	if ctx.Err() != nil {
		fuse.skipped()
		f.o.Metrics.CountLimit(string(mail.LimitFilterQuestions))
		f.o.Metrics.CountFilterFailure(failBusy)
		return a, errors.New("spam: too many questions wait for the filter")
	}
	start := time.Now()
	a, err = f.ask(ctx, m, raw)
	if err == nil {
		err = a.check()
	}
	if err != nil && parent.Err() != nil { // the client has gone: that says nothing of the filter
		fuse.skipped()
		return a, parent.Err()
	}
	f.o.Metrics.FilterTook(time.Since(start))
	why := failure(err, ctx)
	if fuse.report(time.Now(), why) {
		f.o.Log.Error("spam filter is down",
			"filter", f.o.Kind, "err", err, "when_down", f.o.WhenDown, "wait", fuseOpen)
	}
	if err != nil {
		f.o.Metrics.CountFilterFailure(why)
		f.o.Log.Warn("spam filter gave no verdict", "filter", f.o.Kind, "mail", m.Transaction(), "reason", why, "err", err)
	}
	return a, err
}

// maxScore bounds what a filter may say: programs that work stay far below.
const maxScore = 10_000

// check refuses an answer that cannot be meant.
func (a answer) check() error {
	switch {
	case !(a.score >= -maxScore && a.score <= maxScore): // NaN is neither
		return lie("a score that cannot be meant")
	case a.verdict != mail.SpamClean && a.verdict != mail.SpamFlagged && a.verdict != mail.SpamQuarantined && !a.later:
		return lie("no verdict")
	}
	return nil
}

// worse returns the stricter of two verdicts.
func worse(a, b mail.Verdict) mail.Verdict {
	for _, v := range []mail.Verdict{mail.SpamQuarantined, mail.SpamFlagged} {
		if a == v || b == v {
			return v
		}
	}
	return mail.SpamClean
}

// Bounds of what is kept of the reasons, for each mail.
const (
	maxReasons = 20
	maxReason  = 200 // runes
)

// bounded makes reasons fit to be kept and shown: lines of ours and of strangers,
// neutralised, cut, counted.
func bounded(reasons []string) []string {
	var out []string
	for i, r := range reasons {
		if i == maxReasons {
			return append(out, fmt.Sprintf("and %d more", len(reasons)-i))
		}
		out = append(out, cut(mail.NeutralLine(cut(r, 4*maxReason)), maxReason))
	}
	return out
}

// cut shortens s to n runes.
func cut(s string, n int) string {
	for i := range s {
		if n--; n < 0 {
			return s[:i] + "…"
		}
	}
	return s
}

// scored writes a name with its points.
func scored(name string, points float64) string {
	return name + " " + strconv.FormatFloat(round(points), 'f', -1, 64)
}

// round keeps two digits: floats that were added up have many.
func round(score float64) float64 {
	n, _ := strconv.ParseFloat(strconv.FormatFloat(score, 'f', 2, 64), 64)
	return n
}
