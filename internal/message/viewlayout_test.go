package message

import (
	"strings"
	"testing"
)

// What programs join shows other words, numbers and links than its pieces.
func TestTextThatProgramsLayOutAnewIsShownThatWayToo(t *testing.T) {
	for _, tt := range []struct{ name, head, body, want, link string }{
		{"flowed", "Content-Type: text/plain; format=flowed", "Pay 500 \ndollars\n", "Pay 500 dollars", ""},
		{"flowed, blanks removed", "Content-Type: text/plain; format=flowed; delsp=yes",
			"Pay 5 \n00 dollars at http://good.test \n.evil.test/x\n", "Pay 500 dollars at http://good.test.evil.test/x",
			"http://good.test.evil.test/x"},
		{"stuffed and quoted", "Content-Type: text/plain; format=flowed", "> a \n> b\n  c\n", "> a b\n c", ""},
		{"a signature", "Content-Type: text/plain; format=flowed", "a \n-- \nb\n", "a \n-- \nb", "="},
		{"in other case", "Content-Type: text/plain; FORMAT=Flowed", "a \nb\n", "a b", ""},
		{"a calendar", "Content-Type: text/calendar", "URL:http://good.test\n .evil.test/\n",
			"URL:http://good.test.evil.test/", "http://good.test.evil.test/"},
		{"a card", "Content-Type: text/vcard", "NOTE:pay 5\n\t00\n", "NOTE:pay 500", ""},
		{"yen", "Content-Type: text/plain; charset=iso-2022-jp", "Fee is \x1b(J\\500\x1b(B only\n", "Fee is ¥500 only", ""},
		{"not flowed", "Content-Type: text/plain", "a \nb\n", "", ""},
	} {
		r := NewReview(mailWith(tt.head + "\n\n" + tt.body))
		got := ""
		for _, s := range r.Segments {
			if s.Kind == SegmentReading {
				got = s.Text
			}
		}
		want := tt.want
		if tt.link == "=" { // joined it is as it stands
			want = ""
		}
		if got != want || want != "" && !warns(r, WarnReading) {
			t.Errorf("%s: shown %q, want %q", tt.name, got, want)
		}
		if tt.link != "" && tt.link != "=" && !strings.Contains(linkTargets(r), tt.link) {
			t.Errorf("%s: links %s", tt.name, linkTargets(r))
		}
	}
}

func linkTargets(r *Review) string {
	var out []string
	for _, l := range r.Links {
		out = append(out, l.Target)
	}
	return strings.Join(out, " ")
}

// Only plain text is shown as it is written by every program.
func TestTextOfOtherTypesIsNotReviewable(t *testing.T) {
	for kind, ok := range map[string]bool{
		"text/plain": true, "text/html": true, "text/richtext": false, "text/enriched": false, "text/x-amp-html": false,
		"text/watch-html": false, "text/calendar": false, "text/anything": false, "application/xhtml+xml": false,
		"image/svg+xml": false,
	} {
		r := NewReview(mailWith("Content-Type: " + kind + "\n\nhello\n"))
		if p := r.Parts[0]; p.Reviewable != ok {
			t.Errorf("%s: %+v", kind, p)
		}
	}
}

func TestAnAlternativeThatIsNoTextDiffers(t *testing.T) {
	alt := func(kind string) bool {
		return NewReview(mailWith("Content-Type: multipart/alternative; boundary=b\n\n--b\n\nhello\n--b\nContent-Type: " +
			kind + "\n\nx\n--b--\n")).Differ
	}
	if !alt("application/pdf") || !alt("image/png") || !alt("multipart/mixed; boundary=c") {
		t.Error("a form that the view does not show passes for the same")
	}
}

// Relaxed signatures cover no number of blanks, so no boundary may turn on one.
func TestABoundaryWithABlankIsRefused(t *testing.T) {
	for _, text := range []string{
		"Content-Type: multipart/mixed; boundary=\"a b\"\n\n--a b\n\nx\n--a b--\n",
		"Content-Type: multipart/mixed; boundary=c\n\n--c\n" +
			"Content-Type: multipart/mixed; boundary=\"a  b\"\n\n--a  b\n\nx\n--a  b--\n--c--\n",
	} {
		raw := mailWith(text)
		if _, err := Read(raw, readOptions); err == nil || !strings.Contains(err.Error(), "boundary holds a blank") {
			t.Errorf("%q: %v", text, err)
		}
		if err := CheckForm(raw); err == nil || !strings.Contains(err.Error(), "boundary holds a blank") {
			t.Errorf("verifying %q: %v", text, err)
		}
	}
}
