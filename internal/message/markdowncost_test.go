package message_test

import (
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// What markup may cost, as a multiple of as many octets of words.
const maxMarkdownFactor = 300

var markup = []string{
	"a", "word ", " ", "\n", "\n\n", "  ", "    ", "\t", "*", "**", "_", "`", "``", "```", "~", "#", "> ", "- ", "1. ",
	"[", "](", ")", "]", "![", "<", ">", "<http://", "&", "&amp;", "\\", "|", "|-|-|\n", "http://a.test/", "www.a.b",
	"a@b.c", ":", ".",
}

// mixture returns n octets of a few kinds of markup.
func mixture(r *rand.Rand, n int, words bool) string {
	few := make([]string, 1+r.IntN(4))
	for j := range few {
		few[j] = markup[r.IntN(len(markup))]
	}
	if words { // little markup in many words passes the limits
		few = append(few, strings.Repeat("word ", 8+r.IntN(20)))
	}
	var b strings.Builder
	for b.Len() < n-200 {
		b.WriteString(few[r.IntN(len(few))])
	}
	return b.String()
}

// Text of any composition costs no more than a multiple of plain words, and four
// times as much of it about four times as much.
func TestNoMixtureOfMarkupIsExpensiveToCompose(t *testing.T) {
	const n = 16 << 10
	words, why := mailtest.Grow(composing(strings.Repeat("word ", 4*n/5)))
	if why != "" {
		t.Fatalf("plain words: %s", why)
	}
	limit := maxMarkdownFactor * max(words[2].CPU, time.Millisecond)
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		text := mixture(r, 4*n, i%2 == 1)
		costs, why := mailtest.Grow(composing(text))
		if why != "" || costs[2].CPU > limit {
			t.Errorf("%.60q…: %s: %v, plain words %v", text, why, costs, words)
		}
	}
}

// composing composes a quarter, a half and the whole of a text.
func composing(text string) (jobs [3]func()) {
	for i := range jobs {
		d := message.Draft{From: mail.MustAddress("bot@a.test"), To: []mail.Address{mail.MustAddress("ann@x.test")},
			Markdown: text[:len(text)>>(2-i)]}
		jobs[i] = func() { composeAndRead(d) } // or refused, at whatever that cost
	}
	return jobs
}

func composeAndRead(d message.Draft) (*message.Message, error) {
	raw, err := message.Compose(d)
	if err != nil {
		return nil, err
	}
	return message.Read(raw, options)
}
