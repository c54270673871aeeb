package message

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multimail/multimail/mail"
)

func TestTheSubjectOfAnAnswerHasOneRe(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"Offer", "Re: Offer"},
		{"Re: Offer", "Re: Offer"},
		{"RE: re: Re : Offer", "Re: Offer"},
		{"Re[2]: Re(3): Re^4: Offer", "Re: Offer"},
		{"AW: WG: Angebot", "Re: WG: Angebot"}, // that it was passed on stays
		{"Antw: Aanbod", "Re: Aanbod"},
		{"SV: VS: Odp: Ynt: RES: Offer", "Re: Offer"},
		{"回复：回复: 报价", "Re: 报价"},
		{"Ответ: Предложение", "Re: Предложение"},
		{"Fwd: Offer", "Re: Fwd: Offer"},
		{"Regarding: Offer", "Re: Regarding: Offer"},
		{"Re[x]: Offer", "Re: Re[x]: Offer"},
		{"Report: 5", "Re: Report: 5"},
		{"", "Re:"},
		{"Re:", "Re:"},
		{"  spaces \t and\r\n\tfolds ", "Re: spaces and folds"},
		{"x\r\nBcc: eve@evil.test", "Re: x Bcc: eve@evil.test"},
		{"a\u0085b\u2028c\x00d\xff", "Re: a b c d"},
		{strings.Repeat("Re: ", 60) + "x", "Re: " + strings.Repeat("Re: ", 10) + "x"},
		{strings.Repeat("ä", 600), "Re: " + strings.Repeat("ä", 450) + "…"},
	} {
		if got := ReplySubject(c.in); got != c.want {
			t.Errorf("%q: %q, want %q", c.in, got, c.want)
		}
	}
}

func TestReferencesOfAnAnswerAreThoseOfItsParentAndTheParent(t *testing.T) {
	var long []string
	for n := range 20 {
		long = append(long, fmt.Sprintf("%d.%s@a.test", n, strings.Repeat("x", 400)))
	}
	for _, c := range []struct {
		name string
		in   mail.Header
		to   string
		refs []string
	}{
		{"the first of a thread", mail.Header{MessageID: "a@x.test"}, "a@x.test", []string{"a@x.test"}},
		{"a thread", mail.Header{MessageID: "c@x.test", References: []string{"a@x.test", "b@x.test"}}, "c@x.test",
			[]string{"a@x.test", "b@x.test", "c@x.test"}},
		{"In-Reply-To alone", mail.Header{MessageID: "b@x.test", InReplyTo: "a@x.test"}, "b@x.test",
			[]string{"a@x.test", "b@x.test"}},
		{"References before In-Reply-To", mail.Header{MessageID: "b@x.test", InReplyTo: "z@x.test",
			References: []string{"a@x.test"}}, "b@x.test", []string{"a@x.test", "b@x.test"}},
		{"none of its own", mail.Header{References: []string{"a@x.test"}}, "", nil},
		{"one that is no id", mail.Header{MessageID: "a b"}, "", nil},
		{"one that would end the header", mail.Header{MessageID: "a@x.test>\r\nBcc: <b@x.test"}, "", nil},
		{"some that are no ids", mail.Header{MessageID: "c@x.test", References: []string{"", "a b@x.test", "<b@x.test>",
			"a@x.test", "a@x.test", "c@x.test"}}, "c@x.test", []string{"a@x.test", "c@x.test"}},
		{"a long thread", mail.Header{MessageID: "n@x.test", References: long}, "n@x.test",
			append(append([]string{long[0]}, long[12:]...), "n@x.test")},
	} {
		to, refs := ReplyReferences(c.in)
		if diff := cmp.Diff(c.refs, refs); to != c.to || diff != "" {
			t.Errorf("%s: %q\n%s", c.name, to, diff)
		}
		if to == "" {
			continue
		}
		raw, err := Compose(Draft{From: mail.MustAddress("a@x.test"), Subject: "s", Markdown: "m", InReplyTo: to,
			References: strings.Join(refs, " ")})
		if err != nil {
			t.Errorf("%s cannot be composed: %v", c.name, err)
		}
		for line := range strings.SplitSeq(string(raw), "\r\n") {
			if len(line) > 998 {
				t.Errorf("%s: a line of %d octets", c.name, len(line))
			}
		}
	}
}

func TestAQuoteSaysWhoseItIsAndMarksEveryLine(t *testing.T) {
	at := time.Date(2026, 3, 4, 16, 5, 0, 0, time.FixedZone("", 2*60*60))
	got := Quote("Hello,\r\n\n> older\n-- \nAda\n", "Ada\r\nwrote: <ada@b.test>", at, 100)
	want := "On Wed, 4 Mar 2026 at 14:05 UTC, Ada\\x0d\\x0awrote: <ada@b.test> wrote:\n\n" +
		"> Hello,\n>\n> > older\n> --\n> Ada\n"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if got := Quote(strings.Repeat("ä", 50), "Ada", at, 11); !strings.HasSuffix(got, "\n\n> äääää\n> […]\n") {
		t.Errorf("cut: %q", got)
	}
}
