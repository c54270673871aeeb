package message

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// readText decodes the text of a leaf. used is the charset that it was read in;
// why says what is wrong with the declared one.
func readText(e *entity, data []byte) (text, used, why string) {
	sets := e.charsets(data)
	set := charsetName(sets[0])
	if set == "" && len(sets) > 1 { // a byte order mark, or the page itself says it
		set = charsetName(sets[1])
	}
	switch set {
	case "", "us-ascii", "utf-8":
		if utf8.Valid(data) {
			return strings.TrimPrefix(string(data), "\ufeff"), plainSet(set, data), ""
		}
		if set == "utf-8" && hasUTF8(data) {
			return strings.ToValidUTF8(string(data), "\ufffd"), "utf-8", whyOctets
		}
		return windows1252(data), "windows-1252", whyOctets
	}
	text, why = decodeCharset(set, data)
	switch {
	case why == whyCharset && utf8.Valid(data):
		return string(data), "utf-8", why
	case why == whyCharset:
		return windows1252(data), "windows-1252", why
	case set == "iso-8859-1" && why != "":
		return text, "windows-1252", ""
	}
	return strings.ToValidUTF8(text, "\ufffd"), set, why
}

// plainSet names the charset of what is UTF-8 in any case.
func plainSet(set string, data []byte) string {
	if set != "" && (set == "utf-8" || !hasEightBit(data)) {
		return set
	}
	if hasEightBit(data) {
		return "utf-8"
	}
	return "us-ascii"
}

// hasUTF8 reports whether some letter beyond ASCII is UTF-8: octets of another
// charset hardly ever look like one.
func hasUTF8(data []byte) bool {
	for len(data) > 0 {
		r, n := utf8.DecodeRune(data)
		if n > 1 && r != utf8.RuneError {
			return true
		}
		data = data[n:]
	}
	return false
}

// codedFile is a file in running text (uuencode).
type codedFile struct {
	name string
	data []byte
}

// maxCoded is how many files are taken out of one text.
const maxCoded = 100

// codedFiles takes files in uuencode out of a text, as programs did that wrote
// mail before MIME. What is not a whole file stays text.
func codedFiles(text string) (rest string, files []codedFile) {
	if !strings.Contains(text, "begin ") {
		return text, nil
	}
	var b strings.Builder
	for text != "" {
		line, after, _ := strings.Cut(text, "\n")
		if name, ok := codedName(line); ok && len(files) < maxCoded {
			if data, n := uudecode(after); n > 0 {
				files = append(files, codedFile{name, data})
				text = after[n:]
				continue
			}
		}
		b.WriteString(text[:len(text)-len(after)])
		text = after
	}
	return b.String(), files
}

// codedName reads the first line of uuencode: begin, three digits, the name.
func codedName(line string) (name string, ok bool) {
	rest, ok := strings.CutPrefix(line, "begin ")
	if !ok || len(rest) < 5 || rest[3] != ' ' || strings.Trim(rest[:3], "01234567") != "" {
		return "", false
	}
	return strings.TrimSpace(rest[4:]), true
}

// uudecode decodes lines up to "end", and returns how many octets of s they are,
// 0 when they are none.
func uudecode(s string) (data []byte, n int) {
	var out bytes.Buffer
	at := 0
	for at < len(s) {
		line, after, _ := strings.Cut(s[at:], "\n")
		at = len(s) - len(after)
		line = strings.TrimRight(line, "\r")
		switch {
		case line == "end":
			return out.Bytes(), at
		case line == "" || line == "`":
			continue
		case !uuLine(&out, line):
			return nil, 0
		}
	}
	return nil, 0
}

func uuLine(out *bytes.Buffer, line string) bool {
	want := int(line[0]-' ') & 63
	if line[0] < ' ' || line[0] > '`' || len(line)-1 > (want+2)/3*4+2 {
		return false
	}
	line = line[1:]
	for i := 0; i < want; i += 3 {
		var v uint32
		for j := range 4 {
			c := byte(' ')
			if at := i/3*4 + j; at < len(line) {
				c = line[at]
			}
			if c < ' ' || c > '`' {
				return false
			}
			v = v<<6 | uint32(c-' ')&63
		}
		group := []byte{byte(v >> 16), byte(v >> 8), byte(v)}
		out.Write(group[:min(3, want-i)])
	}
	return true
}
