package message

import (
	"runtime/debug"
	"strings"
	"syscall"
	"testing"
)

// cpu returns the processor time, in microseconds, that the cheaper of two runs
// of f takes without collecting garbage.
func cpu(t *testing.T, f func()) int64 {
	t.Helper()
	used := func() int64 {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return u.Utime.Nano()/1000 + u.Stime.Nano()/1000
	}
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	best := int64(1 << 62)
	for range 2 {
		before := used()
		f()
		best = min(best, used()-before)
	}
	return best
}

// The parsers of header values and of transfer encodings cost one pass each.
// What is quadratic takes 16 times as long for four times the octets, and
// builds as much more.
func TestParsersOfNamesCostOnePass(t *testing.T) {
	params := func(s string) int {
		n := 0
		p := parseParams(s)
		for _, name := range p.names {
			for _, v := range p.values(name) {
				n += len(v)
			}
		}
		return n
	}
	words := func(s string) int { return len(strings.Join(readWords(s), "")) }
	transfer := func(encoding string) func(string) int {
		return func(s string) int {
			data, _ := decodeTransfer(encoding, []byte(s))
			return len(data)
		}
	}
	unfold := func(s string) int {
		n := 0
		for _, v := range Fields([]byte(s+"\r\n\r\n"), "a") {
			n += len(v)
		}
		return n
	}
	addresses := func(s string) int {
		n := 0
		for _, item := range splitAddresses(s) {
			n += len(displayAddress(item)) + len(strings.Join(otherAddress(item), ""))
		}
		return n
	}
	type shape struct {
		name, head, unit string
		read             func(string) int
	}
	var shapes []shape
	for _, unit := range []string{
		";a=b", ";", "(", "(a)", "(\\", ";(", ";(a", ";a=\"", ";a=\"b", ";a=\"\\\"", ";a=b\"c", ";a=b\"\"", " a=x", ";a=x (", ";a=(x)",
		";a=\"b\" c", ";a='b'", ";a*=utf-8''%41", ";a*=", ";a*0=b", ";a*0*=%", ";a*1=b;a*0=c", ";a=utf-8''b", "*", "=", "'", "%41",
		";filename==?utf-8?q?a?=", ";filename=\"=?utf-8?q?", "\xff", ";a=b c=d",
	} {
		shapes = append(shapes, shape{"parameters " + unit, "text/plain", unit, params},
			shape{"one parameter " + unit, "text/plain; filename=", unit, params},
			shape{"one continued parameter " + unit, "text/plain; filename*0*=utf-8''", unit, params})
	}
	for _, unit := range []string{
		"=?", "=?a", "=?a?", "=?a?q?", "=?a?q? ", "=?utf-8?q?a?= ", "=?utf-8?q?a?=", "=?utf-8?b?YQ?= ", "=?utf-8?b?Y?= ", "=?koi8-r?q?=FF?= =?utf-8?q?a?=",
		"?=", "=? ?=", "=?iso-2022-jp?b?GyRC?= ", "=?utf-7?q?+?= ", "=?utf-8?q?=C3?= ",
	} {
		shapes = append(shapes, shape{"words " + unit, "", unit, words}, shape{"addresses " + unit, "", unit + " <a@b.test>,", addresses},
			shape{"a phrase of " + unit, "", unit, addresses})
	}
	for _, unit := range []string{"YQ==", "YQ", "!", "=", "YWJj\r\n"} {
		shapes = append(shapes, shape{"base64 " + unit, "", unit, transfer("base64")})
	}
	for _, unit := range []string{"=", "=41", "= \r\n", "\r\n", " ", "=ZZ", "\x1b"} {
		shapes = append(shapes, shape{"quoted-printable " + unit, "", unit, transfer("quoted-printable")})
	}
	for _, unit := range []string{"a: b\r\n", "a:\r\n", "\r\n b", "\r\n \r\n"} {
		shapes = append(shapes, shape{"fields " + unit, "a: x\r\n", unit, unfold})
	}
	for _, s := range shapes {
		const n = 12 << 10
		var used [3]int64
		for i, size := range []int{n, 2 * n, 4 * n} {
			in := s.head + strings.Repeat(s.unit, size/len(s.unit))
			built := 0
			used[i] = cpu(t, func() { built = s.read(in) })
			if built > 40*len(in) {
				t.Errorf("%q: %d octets are built of %d", s.name, built, len(in))
			}
		}
		// Below the floor the clock of the processor is too coarse.
		if floor := int64(20000); used[2] > floor && used[2] > 10*used[0] {
			t.Errorf("%q: %v µs for n, 2n, 4n", s.name, used)
		}
		t.Logf("%-50q %v", s.name, used)
	}
}
