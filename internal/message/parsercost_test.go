package message

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// parserShape is a kind of text that one parser reads: a head, then the same unit
// again and again. read returns how many octets it built.
type parserShape struct {
	name, head, unit string
	read             func(string) int
}

func readParams(s string) int {
	n := 0
	p := parseParams(s)
	for _, name := range p.names {
		for _, v := range p.values(name) {
			n += len(v)
		}
	}
	return n
}

func joinedWords(s string) int { return len(strings.Join(readWords(s), "")) }

func transferOf(encoding string) func(string) int {
	return func(s string) int {
		data, _ := decodeTransfer(encoding, []byte(s))
		return len(data)
	}
}

func unfoldedFields(s string) int {
	n := 0
	for _, v := range Fields([]byte(s+"\r\n\r\n"), "a") {
		n += len(v)
	}
	return n
}

func shownAddresses(s string) int {
	n := 0
	for _, item := range splitAddresses(s) {
		n += len(displayAddress(item)) + len(strings.Join(otherAddress(item), ""))
	}
	return n
}

func parserShapes() (shapes []parserShape) {
	for _, unit := range []string{
		";a=b", ";", "(", "(a)", "(\\", ";(", ";(a", ";a=\"", ";a=\"b", ";a=\"\\\"", ";a=b\"c", ";a=b\"\"", " a=x", ";a=x (",
		";a=(x)",
		";a=\"b\" c", ";a='b'", ";a*=utf-8''%41", ";a*=", ";a*0=b", ";a*0*=%", ";a*1=b;a*0=c", ";a=utf-8''b", "*", "=", "'",
		"%41",
		";filename==?utf-8?q?a?=", ";filename=\"=?utf-8?q?", "\xff", ";a=b c=d",
	} {
		shapes = append(shapes, parserShape{"parameters " + unit, "text/plain", unit, readParams},
			parserShape{"one parameter " + unit, "text/plain; filename=", unit, readParams},
			parserShape{"one continued parameter " + unit, "text/plain; filename*0*=utf-8''", unit, readParams})
	}
	for _, unit := range []string{
		"=?", "=?a", "=?a?", "=?a?q?", "=?a?q? ", "=?utf-8?q?a?= ", "=?utf-8?q?a?=", "=?utf-8?b?YQ?= ", "=?utf-8?b?Y?= ",
		"=?koi8-r?q?=FF?= =?utf-8?q?a?=",
		"?=", "=? ?=", "=?iso-2022-jp?b?GyRC?= ", "=?utf-7?q?+?= ", "=?utf-8?q?=C3?= ",
	} {
		shapes = append(shapes, parserShape{"words " + unit, "", unit, joinedWords}, parserShape{"addresses " + unit, "",
			unit + " <a@b.test>,", shownAddresses},
			parserShape{"a phrase of " + unit, "", unit, shownAddresses})
	}
	for _, unit := range []string{"YQ==", "YQ", "!", "=", "YWJj\r\n"} {
		shapes = append(shapes, parserShape{"base64 " + unit, "", unit, transferOf("base64")})
	}
	for _, unit := range []string{"=", "=41", "= \r\n", "\r\n", " ", "=ZZ", "\x1b"} {
		shapes = append(shapes, parserShape{"quoted-printable " + unit, "", unit, transferOf("quoted-printable")})
	}
	for _, unit := range []string{"a: b\r\n", "a:\r\n", "\r\n b", "\r\n \r\n"} {
		shapes = append(shapes, parserShape{"fields " + unit, "a: x\r\n", unit, unfoldedFields})
	}
	return shapes
}

// The parsers of header values and of transfer encodings cost one pass each, and
// build no more than a multiple of what they read.
func TestParsersOfNamesCostOnePass(t *testing.T) {
	const n = 12 << 10
	for _, s := range parserShapes() {
		var jobs [3]func()
		for i := range jobs {
			in := s.head + strings.Repeat(s.unit, n<<i/len(s.unit))
			jobs[i] = func() {
				if built := s.read(in); built > 40*len(in) {
					t.Errorf("%q: %d octets are built of %d", s.name, built, len(in))
				}
			}
		}
		costs, why := mailtest.Grow(jobs)
		if why != "" {
			t.Errorf("%q: %s: %v", s.name, why, costs)
		}
		t.Logf("%-50q %v", s.name, costs)
	}
}
