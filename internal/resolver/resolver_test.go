package resolver_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/miekg/dns"

	"github.com/multimail/multimail/internal/resolver"
)

func TestTextsComeWithTheirStringsJoinedAndTheirOctetsAsTheyAre(t *testing.T) {
	s := serve(t, answering(t, `a.test. 60 IN TXT "v=1; " "p=x"`, `A.Test. 60 IN TXT "say \"hi\" \\ \200"`,
		`other.test. 60 IN TXT "not asked for"`))
	got, err := newResolver(t, s.addr).TXT(t.Context(), "a.TEST")
	if want := []string{"v=1; p=x", "say \"hi\" \\ \xc8"}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v, want %q", got, err, want)
	}
}

func TestHostsOfMailAreLowerCaseAndWithoutTheDot(t *testing.T) {
	s := serve(t, answering(t, `a.test. 60 IN MX 20 B.a.test.`, `a.test. 60 IN MX 0 .`))
	got, err := newResolver(t, s.addr).MX(t.Context(), "a.test.")
	if want := []resolver.MX{{Preference: 20, Host: "b.a.test"}, {}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

func TestAnAliasIsFollowedInsideOfTheAnswer(t *testing.T) {
	s := serve(t, answering(t, `c.test. 60 IN TXT "end"`, `a.test. 60 IN CNAME B.test.`, `b.test. 60 IN CNAME c.test.`))
	got, err := newResolver(t, s.addr).TXT(t.Context(), "a.test")
	if err != nil || !slices.Equal(got, []string{"end"}) {
		t.Errorf("got %q, %v", got, err)
	}
}

// loop is an alias of itself over n names.
func loop(t *testing.T, n int) func(*dns.Msg, string) {
	var all []string
	for i := range n {
		all = append(all, string(rune('a'+i))+`.test. 60 IN CNAME `+string(rune('a'+(i+1)%n))+`.test.`)
	}
	return answering(t, all...)
}

// Each answer, and whether it says that there is no such record or nothing.
func TestOnlyAnAnswerThatSaysSoIsANegative(t *testing.T) {
	rcode := func(code int) func(*dns.Msg, string) { return func(m *dns.Msg, _ string) { m.Rcode = code } }
	for name, c := range map[string]struct {
		answer func(*dns.Msg, string)
		want   error
	}{
		"no such name":            {rcode(dns.RcodeNameError), resolver.ErrNone},
		"no such type":            {answering(t), resolver.ErrNone},
		"records of another name": {answering(t, `b.test. 60 IN TXT "x"`), resolver.ErrNone},
		"another class":           {answering(t, `a.test. 60 CH TXT "x"`), resolver.ErrNone},
		"an alias of nothing":     {answering(t, `a.test. 60 IN CNAME b.test.`), resolver.ErrNone},
		"SERVFAIL":                {rcode(dns.RcodeServerFailure), resolver.ErrTemporary},
		"REFUSED":                 {rcode(dns.RcodeRefused), resolver.ErrTemporary},
		"FORMERR":                 {rcode(dns.RcodeFormatError), resolver.ErrTemporary},
		"NOTIMP":                  {rcode(dns.RcodeNotImplemented), resolver.ErrTemporary},
		"an alias of itself":      {loop(t, 1), resolver.ErrTemporary},
		"a loop of aliases":       {loop(t, 3), resolver.ErrTemporary},
		"a long chain of aliases": {loop(t, 26), resolver.ErrTemporary},
		"silence":                 {silent, resolver.ErrTemporary},
		"the question of another name": {func(m *dns.Msg, _ string) {
			m.Question[0].Name = "b.test."
		}, resolver.ErrTemporary},
		"the question of another type": {func(m *dns.Msg, _ string) {
			m.Question[0].Qtype = dns.TypeA
		}, resolver.ErrTemporary},
		"no question": {func(m *dns.Msg, _ string) { m.Question = nil }, resolver.ErrTemporary},
		"another id":  {func(m *dns.Msg, _ string) { m.Id ^= 0xffff }, resolver.ErrTemporary},
		"a question in the place of an answer": {func(m *dns.Msg, _ string) {
			m.Response = false
		}, resolver.ErrTemporary},
		"a referral": {func(m *dns.Msg, _ string) { m.Authoritative = false }, resolver.ErrTemporary},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, c.answer)
			got, err := newResolver(t, s.addr).TXT(t.Context(), "a.test")
			if !errors.Is(err, c.want) || len(got) > 0 {
				t.Errorf("got %q, %v, want %v", got, err, c.want)
			}
			if errors.Is(err, resolver.ErrNone) && errors.Is(err, resolver.ErrTemporary) {
				t.Error("the error is of both kinds")
			}
			if n := s.udp.Load() + s.tcp.Load(); n > 2 {
				t.Errorf("%d questions to one server", n)
			}
		})
	}
}

func TestAnAnswerThatWasCutOffIsAskedForOverTCP(t *testing.T) {
	long := strings.Repeat("x", 255)
	s := serve(t, func(m *dns.Msg, network string) {
		if network == "udp" {
			m.Truncated = true
			m.Answer = []dns.RR{rr(t, `a.test. 60 IN TXT "half"`)}
			return
		}
		answering(t, `a.test. 60 IN TXT "`+long+`" "`+long+`"`)(m, network)
	})
	got, err := newResolver(t, s.addr).TXT(t.Context(), "a.test")
	if err != nil || len(got) != 1 || got[0] != long+long {
		t.Errorf("got %.80q, %v", got, err)
	}
	if s.udp.Load() != 1 || s.tcp.Load() != 1 {
		t.Errorf("%d questions over UDP, %d over TCP", s.udp.Load(), s.tcp.Load())
	}
}

func TestAnAnswerThatIsCutOffOverTCPTooSaysNothing(t *testing.T) {
	s := serve(t, func(m *dns.Msg, _ string) {
		m.Truncated = true
		m.Answer = []dns.RR{rr(t, `a.test. 60 IN TXT "half"`)}
	})
	if got, err := newResolver(t, s.addr).TXT(t.Context(), "a.test"); !errors.Is(err, resolver.ErrTemporary) {
		t.Errorf("got %q, %v", got, err)
	}
}

// The longest TXT of an answer, which no datagram holds.
func TestATextOf64KiBIsRead(t *testing.T) {
	txt := &dns.TXT{Hdr: dns.RR_Header{Name: "a.test.", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}}
	const chunks = 65_000 / 256
	for range chunks {
		txt.Txt = append(txt.Txt, strings.Repeat("x", 255))
	}
	s := serve(t, func(m *dns.Msg, network string) {
		if m.Truncated = network == "udp"; !m.Truncated {
			m.Answer = []dns.RR{txt}
		}
	})
	got, err := newResolver(t, s.addr).TXT(t.Context(), "a.test")
	if err != nil || len(got) != 1 || len(got[0]) != chunks*255 {
		t.Errorf("got %d texts, %v", len(got), err)
	}
}

func TestTheNextServerIsAskedWhenOneHasNoAnswer(t *testing.T) {
	dead := serve(t, silent)
	failing := serve(t, func(m *dns.Msg, _ string) { m.Rcode = dns.RcodeServerFailure })
	good := serve(t, answering(t, `a.test. 60 IN TXT "here"`))
	got, err := newResolver(t, dead.addr, failing.addr, good.addr).TXT(t.Context(), "a.test")
	if err != nil || !slices.Equal(got, []string{"here"}) {
		t.Errorf("got %q, %v", got, err)
	}
	// A negative is an answer: nobody else is asked.
	none := serve(t, answering(t))
	if _, err = newResolver(t, none.addr, good.addr).TXT(t.Context(), "a.test"); !errors.Is(err, resolver.ErrNone) {
		t.Errorf("got %v, want ErrNone", err)
	}
}

func TestALookupEndsWithItsContext(t *testing.T) {
	s := serve(t, silent)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := newResolver(t, s.addr).TXT(ctx, "a.test"); !errors.Is(err, resolver.ErrTemporary) {
		t.Errorf("got %v", err)
	}
}

func TestWhatIsNoNameIsNotAskedFor(t *testing.T) {
	s := serve(t, answering(t))
	for _, name := range []string{strings.Repeat("a", 64) + ".test", strings.Repeat("a.", 200), "a..test"} {
		_, err := newResolver(t, s.addr).TXT(t.Context(), name)
		if err == nil || errors.Is(err, resolver.ErrNone) || errors.Is(err, resolver.ErrTemporary) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	if n := s.udp.Load(); n != 0 {
		t.Errorf("%d questions", n)
	}
}

func TestSettingsThatCannotBeMeantAreRefused(t *testing.T) {
	for _, s := range []string{"", "127.0.0.1", ":53", "127.0.0.1:", "::1:53:53"} {
		if _, err := resolver.New(resolver.Options{Servers: []string{s}, Timeout: 1}); err == nil {
			t.Errorf("%q is taken", s)
		}
	}
	if _, err := resolver.New(resolver.Options{}); err == nil {
		t.Error("no timeout is taken")
	}
}
