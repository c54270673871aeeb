package httpd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// stamper is a domain whose mail is verified.
type stamper struct {
	t        *testing.T
	domain   string
	identity *sign.Keyring
	dkim     *dkim.Keyring
}

func newStamper(t *testing.T, domain string) stamper {
	t.Helper()
	dir := t.TempDir()
	s := stamper{t, domain, sign.OpenKeys(dir), dkim.OpenKeys(dir, dkim.Options{})}
	made := time.Unix(1_770_000_000, 0)
	for _, err := range []error{s.identity.Ensure(domain, made), s.dkim.Ensure(domain, made)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// mail returns a released mail of the domain with both stamps.
func (s stamper) mail() string {
	s.t.Helper()
	now := time.Unix(1_780_000_000, 0)
	text := "From: bot@" + s.domain + "\r\nTo: ada@b.example\r\nSubject: Offer\r\n\r\nSee you on Monday.\r\n"
	msg, err := message.Read([]byte(text), message.ReadOptions{Now: now})
	if err != nil {
		s.t.Fatal(err)
	}
	ref := strings.Repeat("ab", 32)
	m := &mail.Mail{ID: mail.NewID(now), Header: msg.Header, SubmitRef: ref, SubmittedAt: now, Release: &mail.Release{
		Mode: mail.Autonomous, By: "none", At: now, Ref: ref, Operator: "Example Ltd", Capabilities: []string{"read"}}}
	raw := msg.Raw
	for _, stamp := range []func(context.Context, *mail.Mail, []byte) ([]byte, error){
		sign.NewStamper(s.identity).Stamp, dkim.NewStamper(s.dkim).Stamp,
	} {
		line, err := stamp(s.t.Context(), m, raw)
		if err != nil {
			s.t.Fatal(err)
		}
		raw = append(line, raw...)
	}
	return string(raw)
}

// lookup is what the domain publishes.
func (s stamper) lookup() sign.Lookup {
	return sign.Lookup{
		Document: func(iss, _ string) ([]byte, error) {
			if iss != "https://"+s.domain {
				return nil, errors.New("another domain was asked")
			}
			return s.identity.Document(s.domain)
		},
		TXT: func(name string) (out []string, err error) {
			if name == sign.RecordName(s.domain) {
				_, txt, err := s.identity.DNS(s.domain)
				return []string{txt}, err
			}
			records, err := s.dkim.Records(s.domain)
			for _, r := range records {
				if r.Name == name {
					out = append(out, r.TXT)
				}
			}
			return out, err
		},
	}
}

// asked counts the look-ups of l by name.
func (h *fixture) asked(l sign.Lookup) *[]string {
	var mu sync.Mutex
	var list []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		list = append(list, what)
	}
	h.s.o.Published = func(context.Context) sign.Lookup {
		return sign.Lookup{
			Document: func(iss, kid string) ([]byte, error) { note(iss); return l.Document(iss, kid) },
			TXT:      func(name string) ([]string, error) { note(name); return l.TXT(name) },
		}
	}
	return &list
}

func (h *fixture) verify(query, eml string) api.Verification {
	h.t.Helper()
	body, err := json.Marshal(api.VerifyRequest{Mail: base64.StdEncoding.EncodeToString([]byte(eml))})
	if err != nil {
		h.t.Fatal(err)
	}
	return into[api.Verification](h, h.want(200, "reader", "POST", "/v1/verify"+query, string(body)))
}

func TestAMailOfAnotherDomainIsVerifiedAsTheCommandDoes(t *testing.T) {
	h := newFixture(t)
	s := newStamper(t, "elsewhere.example")
	eml := s.mail()
	asked := h.asked(s.lookup())
	report, err := json.Marshal(sign.Verify([]byte(eml), s.lookup()).Report("https"))
	if err != nil {
		t.Fatal(err)
	}
	v := h.verify("", eml)
	got, err := json.Marshal(v)
	if err != nil || string(got) != string(report) || v.Status != sign.Valid {
		t.Errorf("got  %s\nwant %s", got, report)
	}
	if len(*asked) != 2 || (*asked)[0] != "https://elsewhere.example" {
		t.Errorf("asked %q", *asked)
	}
	for _, tt := range []struct{ query, source, status, asked string }{
		{"?source=https", "https", sign.Valid, "https://elsewhere.example"},
		{"?source=dns", "dns", sign.Valid, "_multimail-identity.elsewhere.example"},
		{"?source=offline", "", sign.Invalid, ""},
	} {
		*asked = nil
		v := h.verify(tt.query, eml)
		if v.Status != tt.status || v.KeySource != tt.source || tt.asked == "" && len(*asked) > 0 ||
			tt.asked != "" && !slices.Contains(*asked, tt.asked) {
			t.Errorf("%s: %+v, asked %q", tt.query, v, *asked)
		}
	}
	changed := strings.Replace(eml, "Monday", "Sunday", 1)
	if v := h.verify("", changed); v.Status != sign.Unbound || v.Valid || v.Claims == nil {
		t.Errorf("changed: %+v", v)
	}
	if v := h.verify("", "From: a@b.example\r\n\r\nHi.\r\n"); v.Status != sign.None || v.Claims != nil {
		t.Errorf("no header: %+v", v)
	}
}

func TestAMailMayBeTheBodyItself(t *testing.T) {
	h := newFixture(t)
	s := newStamper(t, "elsewhere.example")
	h.asked(s.lookup())
	r := h.request("reader", "POST", "/v1/verify?source=dns", s.mail())
	r.Header.Set("Content-Type", "message/rfc822")
	if v := into[api.Verification](h, h.serve("reader", r)); v.Status != sign.Valid || v.KeySource != "dns" {
		t.Errorf("%+v", v)
	}
	for _, typ := range []string{"text/plain", "message/rfc822x", ""} {
		r := h.request("reader", "POST", "/v1/verify", "From: a@b.example\r\n\r\n")
		r.Header.Set("Content-Type", typ)
		if got := h.serve("reader", r); got.status != http.StatusUnsupportedMediaType {
			t.Errorf("%q: %d %s", typ, got.status, got.body)
		}
	}
	r = h.request("sender", "POST", "/v1/send", "From: a@b.example\r\n\r\n")
	r.Header.Set("Content-Type", "message/rfc822")
	if got := h.serve("sender", r); got.status != http.StatusUnsupportedMediaType {
		t.Errorf("another operation takes a mail: %d %s", got.status, got.body)
	}
}

func TestAMailOfOursIsVerifiedWithoutAskingAnybody(t *testing.T) {
	h := newFixture(t)
	s := newStamper(t, "a.example")
	asked := h.asked(s.lookup())
	h.s.o.Identity, h.s.o.DKIM = s.identity, s.dkim
	for _, query := range []string{"", "?source=dns", "?source=offline"} {
		if v := h.verify(query, s.mail()); v.Status != sign.Valid || v.KeySource != "daemon" || len(*asked) > 0 {
			t.Errorf("%s: %+v, asked %q", query, v, *asked)
		}
	}
}

func TestAGivenKeyIsUsedAlone(t *testing.T) {
	h := newFixture(t)
	s := newStamper(t, "elsewhere.example")
	asked := h.asked(s.lookup())
	doc, err := s.identity.Document(s.domain)
	if err != nil {
		t.Fatal(err)
	}
	body := func(key string) string {
		b, err := json.Marshal(api.VerifyRequest{Mail: base64.StdEncoding.EncodeToString([]byte(s.mail())), Key: key})
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	v := into[api.Verification](h, h.want(200, "reader", "POST", "/v1/verify?source=offline", body(string(doc))))
	if v.Status != sign.Valid || v.KeySource != "file" || !slices.Equal(v.NotChecked, []string{"dkim"}) ||
		len(*asked) > 0 {
		t.Errorf("%+v, asked %q", v, *asked)
	}
	r := h.want(400, "reader", "POST", "/v1/verify", body("hello"))
	if !strings.Contains(r.body, "neither a key document") {
		t.Error(r.body)
	}
}

func TestAnInquiryThatCannotBeMeant(t *testing.T) {
	h := newFixture(t)
	h.s.o.MaxSize = 100
	for body, status := range map[string]int{
		`{}`:                     400,
		`{"mail":"?"}`:           400,
		`{"mail":"","key":"{}"}`: 400,
		`{"mail":"` + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 101))) + `"}`: 413,
	} {
		if r := h.do("reader", "POST", "/v1/verify", body); r.status != status {
			t.Errorf("%s: %d %s", body, r.status, r.body)
		}
	}
	h.want(400, "reader", "POST", "/v1/verify?source=http://127.0.0.1/", `{"mail":"RnJvbQ=="}`)
}

// What other domains are asked is bounded for each credential; what needs
// nobody is not.
func TestHowOftenACredentialMakesTheServerAsk(t *testing.T) {
	h := newFixture(t)
	h.s.lookups = throttle.NewRate(verifyPerMinute, func() time.Time { return time.Unix(0, 0) })
	s := newStamper(t, "elsewhere.example")
	asked := h.asked(s.lookup())
	eml := s.mail()
	for range verifyPerMinute {
		h.verify("", eml)
	}
	if n := len(*asked); n != 2*verifyPerMinute {
		t.Errorf("%d look-ups", n)
	}
	body := `{"mail":"` + base64.StdEncoding.EncodeToString([]byte(eml)) + `"}`
	r := h.want(429, "reader", "POST", "/v1/verify", body)
	if !strings.Contains(r.body, "ask other domains") || len(*asked) != 2*verifyPerMinute {
		t.Errorf("%s, %d look-ups", r.body, len(*asked))
	}
	h.want(200, "reader", "POST", "/v1/verify?source=offline", body)
	h.want(200, "other", "POST", "/v1/verify", body)
	want := []string{`mail_limit_reached_total{limit="verifications_per_key"} 1`}
	if got := reachedLimits(h.s.o.Metrics); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// A server that is slow, or down, holds no turn that other requests wait for.
func TestASlowServerHoldsNobodyUp(t *testing.T) {
	h := newFixture(t)
	s := newStamper(t, "elsewhere.example")
	eml := s.mail()
	began, release := make(chan struct{}, 100), make(chan struct{})
	h.s.o.Published = func(ctx context.Context) sign.Lookup {
		return sign.Lookup{TXT: s.lookup().TXT, Document: func(string, string) ([]byte, error) {
			began <- struct{}{}
			<-release
			return nil, &net.DNSError{Err: "x", IsTimeout: true}
		}}
	}
	var wg sync.WaitGroup
	for range cap(h.s.slots) + 3 {
		wg.Go(func() {
			if v := h.verify("", eml); v.Status != sign.Invalid || v.LookupError == "" {
				t.Errorf("%+v", v)
			}
		})
	}
	for range cap(h.s.slots) + 3 {
		<-began
	}
	h.held() // composes, and so needs a turn
	close(release)
	wg.Wait()
}

// Every claim and member of a report has a place in the answer.
func TestTheAnswerHasEveryMemberOfAReport(t *testing.T) {
	names := func(v any) (out []string) {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			out = append(out, typ.Field(i).Tag.Get("json"))
		}
		return out
	}
	for _, pair := range [][2]any{
		{sign.Report{}, api.Verification{}}, {sign.CheckReport{}, api.IdentityCheck{}},
		{sign.Claims{}, api.IdentityClaims{}}, {sign.Approval{}, api.IdentityApproval{}},
	} {
		if a, b := names(pair[0]), names(pair[1]); !slices.Equal(a, b) || len(a) == 0 {
			t.Error(fmt.Sprintf("%T has %q\n%T has %q", pair[0], a, pair[1], b))
		}
	}
}
