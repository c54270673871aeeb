package message

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// maxRemarks is how many remarks on one message are kept.
const maxRemarks = 20

// remarks are short sentences on what of a message could not be read, each once.
type remarks struct{ list []string }

func (r *remarks) add(s string) {
	if len(r.list) >= maxRemarks {
		return
	}
	for _, had := range r.list {
		if had == s {
			return
		}
	}
	r.list = append(r.list, s)
}

// Remarks that several files make.
const (
	warnMbox   = "the message begins with a line of a mail folder"
	warnLines  = "lines do not end with CRLF"
	warnLong   = "a line is longer than 998 octets"
	warnNUL    = "the message holds a NUL octet"
	warnNoGap  = "no empty line between header and body"
	warnStray  = "a line of the header is no field"
	warnEight  = "the header holds 8-bit characters"
	warnHeader = "the header is longer than what is read of it"
)

// readable returns raw in the form that the readers of this package cut: lines
// end with CRLF, the first one is a field, and an empty line ends the header.
// What Read accepts is in this form already and comes back as it is. Bytes that
// are stored, hashed or sent are never these.
func readable(raw []byte, warn *remarks) []byte {
	if bytes.IndexByte(raw, 0) >= 0 {
		warn.add(warnNUL)
	}
	out := withCRLF(raw)
	if len(out) != len(raw) {
		warn.add(warnLines)
	}
	if longLine(out) {
		warn.add(warnLong)
	}
	for bytes.HasPrefix(out, []byte("From ")) || bytes.HasPrefix(out, []byte(">From ")) {
		warn.add(warnMbox)
		i := bytes.IndexByte(out, '\n')
		if i < 0 {
			return nil
		}
		out = out[i+1:]
	}
	if header, _ := SplitHeader(out); len(header) == len(out) {
		at := endOfFields(out)
		if at < len(out) {
			warn.add(warnNoGap)
		}
		out = bytes.Join([][]byte{out[:at], out[at:]}, []byte("\r\n"))
	}
	return out
}

// withCRLF returns b with CR put before every LF that has none, and with a CRLF
// at the end of the last line. A CR that stands alone stays: it ends no line.
func withCRLF(b []byte) []byte {
	bare := bytes.Count(b, []byte("\n")) - bytes.Count(b, []byte("\r\n"))
	open := len(b) > 0 && b[len(b)-1] != '\n'
	if bare == 0 && !open {
		return b
	}
	out := make([]byte, 0, len(b)+bare+2)
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		line := b
		if i >= 0 {
			line = b[:i]
		}
		out = append(out, bytes.TrimSuffix(line, []byte("\r"))...)
		out = append(out, '\r', '\n')
		b = b[min(len(b), len(line)+1):]
	}
	return out
}

func longLine(b []byte) bool {
	for len(b) > 0 {
		i := bytes.IndexByte(b, '\n')
		if i < 0 {
			return len(b) > MaxLine
		}
		if i-1 > MaxLine {
			return true
		}
		b = b[i+1:]
	}
	return false
}

// endOfFields returns where the fields end that b begins with.
func endOfFields(b []byte) int {
	for at := 0; at < len(b); {
		f := firstField(b[at:])
		colon := bytes.IndexByte(f, ':')
		if colon < 1 || !isToken(strings.TrimRight(string(f[:min(colon, MaxLine)]), " \t")) {
			return at
		}
		at += len(f)
	}
	return len(b)
}

// utf8Value returns a header value as UTF-8: octets beyond ASCII that are none
// are taken for windows-1252, as mail programs do.
func utf8Value(v string) string {
	if utf8.ValidString(v) {
		return v
	}
	return windows1252([]byte(v))
}

// lineText decodes a header value for one line of at most limit octets.
func lineText(v string, limit int) (text string, cut bool) {
	return boundedLine(decodeWords(utf8Value(v)), limit)
}

// boundedLine neutralises a text for one line of at most limit octets.
func boundedLine(s string, limit int) (text string, cut bool) {
	s = mail.NeutralLine(strings.TrimSpace(s))
	if len(s) <= limit {
		return s, false
	}
	return strings.ToValidUTF8(s[:limit-len("…")], "") + "…", true
}
