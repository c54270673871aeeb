package message

import (
	"bytes"
	"encoding/base64"
	"strings"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045, section 6) as
// the most lenient common program does, and says why where others stop before.
func decodeTransfer(encoding string, body []byte) (data []byte, why string) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return body, ""
	case "base64":
		var d base64Decoder
		data = d.end(d.add(make([]byte, 0, len(body)/4*3+3), body))
		if d.odd {
			why = "its base64 is damaged"
		}
		return data, why
	case "quoted-printable":
		data, sound := decodeQuoted(body)
		if sound < len(data) {
			why = "its quoted-printable is damaged"
		}
		return data, why
	}
	return body, "its transfer encoding is unknown"
}

// base64Decoder undoes base64 leniently: what is outside its alphabet is left
// out, padding may be missing, and text behind padding is decoded as well. odd
// says that a strict decoder would have stopped.
type base64Decoder struct {
	bits   uint32
	n      int // characters in bits
	pad    int // padding characters that may still follow
	padded bool
	odd    bool
}

// base64Value is the value of each character; 64 is "=", 65 a blank, 66 foreign.
var base64Value = func() (t [256]byte) {
	for i := range t {
		t[i] = 66
	}
	for i, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/") {
		t[c] = byte(i)
	}
	t['='], t[' '], t['\t'], t['\r'], t['\n'] = 64, 65, 65, 65, 65
	return t
}()

// add appends the octets of text.
func (d *base64Decoder) add(out, text []byte) []byte {
	for _, c := range text {
		switch v := base64Value[c]; {
		case v < 64:
			d.odd = d.odd || d.padded
			d.pad = 0
			d.bits = d.bits<<6 | uint32(v)
			if d.n++; d.n == 4 {
				out = append(out, byte(d.bits>>16), byte(d.bits>>8), byte(d.bits))
				d.bits, d.n = 0, 0
			}
		case v == 64:
			out = d.padding(out)
		case v == 66:
			d.odd = true
		}
	}
	return out
}

func (d *base64Decoder) padding(out []byte) []byte {
	switch {
	case d.n >= 2:
		d.pad = 3 - d.n
		d.padded = true
		n := d.n
		odd := d.odd
		out = d.end(out)
		d.odd, d.pad = odd, 3-n
	case d.pad > 0:
		d.pad--
	default:
		d.odd = true
	}
	return out
}

// end appends the octets of a last group without padding.
func (d *base64Decoder) end(out []byte) []byte {
	d.odd = d.odd || d.n > 0 || d.pad > 0
	switch d.n {
	case 2:
		out = append(out, byte(d.bits>>4))
	case 3:
		out = append(out, byte(d.bits>>10), byte(d.bits>>2))
	}
	d.bits, d.n, d.pad = 0, 0, 0
	return out
}

// strict64 decodes base64 without blanks; ok is false when it is damaged.
func strict64(text []byte) (octets []byte, ok bool) {
	octets = make([]byte, base64.StdEncoding.DecodedLen(len(text)))
	n, err := base64.StdEncoding.Decode(octets, text)
	return octets[:n], err == nil && bytes.IndexAny(text, "\r\n") < 0
}

// strictPrefix64 returns what precedes the first damage in base64.
func strictPrefix64(body []byte) []byte {
	packed := make([]byte, 0, len(body))
	for _, c := range body {
		if base64Value[c] != 65 {
			packed = append(packed, c)
		}
	}
	// Decoding in place is safe: the result never overtakes its source.
	n, _ := base64.StdEncoding.Decode(packed, packed)
	return packed[:n]
}

// decodeQuoted decodes quoted-printable to its end: a bad "=XX" stays, and a
// line break behind "=" is soft even with blanks between. sound is how much of
// the result precedes the first damage, where strict programs stop.
func decodeQuoted(body []byte) (out []byte, sound int) {
	out, sound = make([]byte, 0, len(body)), -1
	damage := func() {
		if sound < 0 {
			sound = len(out)
		}
	}
	for len(body) > 0 {
		line, rest, found := bytes.Cut(body, []byte("\n"))
		body = rest
		text := bytes.TrimRight(line, " \t\r")
		soft := bytes.HasSuffix(text, []byte("="))
		if soft {
			text = text[:len(text)-1]
		}
		for i := 0; i < len(text); i++ {
			c := text[i]
			switch {
			case c == '=' && i+2 < len(text) && unhex(text[i+1]) >= 0 && unhex(text[i+2]) >= 0:
				c = byte(unhex(text[i+1])<<4 | unhex(text[i+2]))
				i += 2
			case c == '=', c < ' ' && c != '\t', c == 0x7f:
				damage()
			}
			out = append(out, c)
		}
		if found && !soft {
			if bytes.HasSuffix(line, []byte("\r")) {
				out = append(out, '\r')
			}
			out = append(out, '\n')
		}
	}
	if sound < 0 {
		sound = len(out)
	}
	return out, sound
}

// readEncoding reads the value of a Content-Transfer-Encoding: a token in any
// case. Of anything else, some programs take the first word and some nothing.
func readEncoding(value string) (encoding string, clear bool) {
	value = strings.ToLower(value)
	if isToken(value) {
		return value, true
	}
	word := strings.TrimLeft(withoutComments(value), "\"' \t")
	if i := strings.IndexAny(word, "\"'; \t,"); i >= 0 {
		word = word[:i]
	}
	return word, false
}
