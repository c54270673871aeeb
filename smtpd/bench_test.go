package smtpd

import (
	"fmt"
	"strings"
	"testing"
)

// Reading is the door's own share of a submission; the rest is the gate's
// commit. Memory is that of the message and a few replies, not of its lines.
func BenchmarkMessages(b *testing.B) {
	line := strings.Repeat("x", 76) + "\r\n"
	for _, lines := range []int{50, 10000} {
		text := strings.Repeat(line, lines)
		in := transaction + "a: b\r\n\r\n" + text + ".\r\n"
		b.Run(fmt.Sprintf("%d octets", len(text)), func(b *testing.B) {
			o := options()
			o.MaxSize = 1 << 20
			srv, g := build(b, o)
			b.SetBytes(int64(len(in)))
			b.ReportAllocs()
			for b.Loop() {
				p := newTape(in, 1<<16)
				loggedIn(newConn(srv, p, false)).serve()
				if n := len(g.mails); n != 1 {
					b.Fatal(n, p.out.String())
				}
				g.mails = g.mails[:0]
			}
		})
	}
}
