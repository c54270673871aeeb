package main

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// An approver sees verdict, score, who judged, and each reason on a line of its own; what
// a filter says cannot draw another line.
func TestShowSaysWhatAFilterMakesOfAMail(t *testing.T) {
	var r api.Review
	r.Spam = &api.Judged{Verdict: api.SpamQuarantined, Score: 15.5, Filter: "rspamd", Label: "not_spam",
		Reasons: []string{"rspamd: reject", "PRIZE 7: promises\nDigest  forged\x1b[2J"}}
	var b strings.Builder
	if err := printReview(&b, r, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"quarantined, score 15.5, by rspamd", "a reader says: not_spam", "rspamd: reject\n"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
	if strings.Contains(b.String(), "\nDigest  forged") || strings.Contains(b.String(), "\x1b") {
		t.Errorf("a reason acts on the screen:\n%q", b.String())
	}
	r.Spam = nil
	b.Reset()
	if err := printReview(&b, r, false); err != nil || strings.Contains(b.String(), "Spam") {
		t.Errorf("without a verdict: %v\n%s", err, b.String())
	}
}
