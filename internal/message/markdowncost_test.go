package message_test

import (
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// What 64 KiB of markup may cost, as a multiple of 64 KiB of words.
const maxMarkdownFactor = 300

// Text of any composition costs no more than a multiple of plain words.
func TestNoMixtureOfMarkupIsDearToCompose(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	pieces := []string{"a", "word ", " ", "\n", "\n\n", "  ", "    ", "\t", "*", "**", "_", "`", "``", "```", "~", "#", "> ", "- ", "1. ", "[", "](", ")", "]",
		"![", "<", ">", "<http://", "&", "&amp;", "\\", "|", "|-|-|\n", "http://a.test/", "www.a.b", "a@b.c", ":", "."}
	plain := composeTime(t, strings.Repeat("word ", 13000))
	r := rand.New(rand.NewPCG(5, 6))
	for i := range 60 {
		few := make([]string, 1+r.IntN(4))
		for j := range few {
			few[j] = pieces[r.IntN(len(pieces))]
		}
		if i%2 == 1 { // little markup in many words passes the limits
			few = append(few, strings.Repeat("word ", 8+r.IntN(20)))
		}
		var b strings.Builder
		for b.Len() < 64<<10-200 {
			b.WriteString(few[r.IntN(len(few))])
		}
		if cpu := composeTime(t, b.String()); cpu > maxMarkdownFactor*max(plain, time.Millisecond) {
			t.Errorf("%q: %v, plain words %v", few, cpu, plain)
		}
	}
}

func composeTime(t *testing.T, s string) time.Duration {
	t.Helper()
	d := message.Draft{From: mail.MustAddress("bot@a.test"), To: []mail.Address{mail.MustAddress("ann@x.test")}, Markdown: s}
	start := threadTime()
	composeAndRead(d) // or refused, at whatever that cost
	return threadTime() - start
}

func composeAndRead(d message.Draft) (*message.Message, error) {
	raw, err := message.Compose(d)
	if err != nil {
		return nil, err
	}
	return message.Read(raw, options)
}
