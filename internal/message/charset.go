package message

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"

	"github.com/multimail/multimail/mail"
)

// charsetAliases are names that mail programs know and the library does not.
var charsetAliases = map[string]string{
	"cp932": "shift_jis", "ms932": "shift_jis", "windows-31j": "shift_jis",
	"cp936": "gbk", "ms936": "gbk", "cp949": "euc-kr", "ms949": "euc-kr", "cp950": "big5",
	"iso-2022-jp-1": "iso-2022-jp", "iso-2022-jp-2": "iso-2022-jp", "iso-2022-jp-ms": "iso-2022-jp",
	"utf8": "utf-8", "utf-8-sig": "utf-8", "ascii": "us-ascii", "ansi_x3.4-1968": "us-ascii",
	"latin1": "iso-8859-1", "iso8859-1": "iso-8859-1", "iso_8859-1": "iso-8859-1", "l1": "iso-8859-1",
	"unicode-1-1-utf-7": "utf-7", "utf7": "utf-7", "unicode-1-1-utf-8": "utf-8",
}

// charsetName returns the name of a charset in one form.
func charsetName(set string) string {
	set = strings.ToLower(strings.TrimSpace(set))
	if name, ok := charsetAliases[set]; ok {
		return name
	}
	return set
}

const (
	whyOctets  = "it holds octets that are not in its charset"
	whyCharset = "its charset is unknown"
)

// decodeCharset turns text into UTF-8 as the most lenient common program does,
// and says why where that is not the only way.
func decodeCharset(set string, data []byte) (text, why string) {
	set = charsetName(set)
	switch set {
	case "", "us-ascii", "utf-8":
		switch {
		case utf8.Valid(data):
			return string(data), ""
		case set == "utf-8":
			return string(data), whyOctets
		}
		return windows1252(data), whyOctets
	case "utf-7":
		return decodeUTF7(data), whyCharset + " to most mail programs"
	case "iso-8859-1":
		for _, c := range data {
			if c >= 0x80 && c < 0xa0 {
				return windows1252(data), whyOctets
			}
		}
	}
	r, err := charset.Reader(set, bytes.NewReader(data))
	if err != nil {
		return string(data), whyCharset
	}
	out, err := io.ReadAll(r)
	switch {
	case err != nil, bytes.ContainsRune(out, utf8.RuneError):
		why = whyOctets
	case set == "utf-16" && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) && !bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		why = "its charset does not say the order of its octets"
	}
	return string(out), why
}

// windows1252 decodes as programs do that met no charset, or ISO 8859-1.
func windows1252(data []byte) string {
	r, err := charset.Reader("windows-1252", bytes.NewReader(data))
	if err != nil {
		return string(data)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		return string(data)
	}
	return string(out)
}

// octetReadings returns what programs make of octets in a charset: more than
// one where it is missing, unknown or not kept to.
func octetReadings(set string, data []byte) []string {
	var r readingSet
	text, why := decodeCharset(set, data)
	r.add(text)
	if why != "" || set == "" && hasEightBit(data) {
		r.add(string(data), windows1252(data))
	}
	return r.list
}

// decodeUTF7 decodes UTF-7 (RFC 2152). What is no valid shift stays as it is.
func decodeUTF7(data []byte) string {
	var b strings.Builder
	for i := 0; i < len(data); i++ {
		if data[i] != '+' {
			b.WriteByte(data[i])
			continue
		}
		end := i + 1
		for end < len(data) && (mail.IsAlnum(data[end]) || data[end] == '+' || data[end] == '/') {
			end++
		}
		if end == i+1 {
			b.WriteByte('+')
		} else {
			var d base64Decoder
			octets := d.end(d.add(nil, data[i+1:end]))
			units := make([]uint16, len(octets)/2)
			for j := range units {
				units[j] = uint16(octets[2*j])<<8 | uint16(octets[2*j+1])
			}
			b.WriteString(string(utf16.Decode(units)))
		}
		if i = end - 1; end < len(data) && data[end] == '-' {
			i = end
		}
	}
	return b.String()
}

// maxPrescan is how far browsers look for a charset in a page.
const maxPrescan = 1024

var declaredCharset = regexp.MustCompile(
	`(?i)(?:<meta\s[^>]*charset|<\?xml\s[^>]*encoding)\s*=\s*["']?\s*([a-z0-9_:.+-]+)`)

// charsets returns the charsets that programs may take for the octets of a
// leaf: those of its Content-Type, then what a byte order mark and the page
// itself say (WHATWG HTML, section 13.2.3.2).
func (e *entity) charsets(data []byte) []string {
	sets := append([]string(nil), e.typ.values("charset")...)
	if len(sets) == 0 {
		sets = []string{""}
	}
	for mark, set := range map[string]string{
		"\xef\xbb\xbf": "utf-8", "\xff\xfe": "utf-16le", "\xfe\xff": "utf-16be",
	} {
		if bytes.HasPrefix(data, []byte(mark)) && charsetName(sets[0]) != "utf-16" {
			sets = append(sets, set)
		}
	}
	if e.kind == "text/html" {
		for _, m := range declaredCharset.FindAllSubmatch(data[:min(len(data), maxPrescan)], maxReadings) {
			set := charsetName(string(m[1]))
			if strings.HasPrefix(set, "utf-16") {
				set = "utf-8" // a page in UTF-16 could not say so in ASCII
			}
			sets = append(sets, set)
		}
	}
	return sets
}

// extendsASCII reports whether octets below 0x80 mean the same in that charset
// as in ASCII, wherever they stand. Stateful charsets and those of two octets
// are not among these.
func extendsASCII(set string) bool {
	return set == "" || set == "us-ascii" || set == "utf-8" || strings.HasPrefix(set, "iso-8859-") ||
		strings.HasPrefix(set, "windows-125") || strings.HasPrefix(set, "koi8-")
}
