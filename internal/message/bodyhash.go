package message

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"

	"github.com/multimail/multimail/mail"
)

// BodyHash returns the SHA-256 of the body of a message in DKIM's relaxed
// canonical form (RFC 6376, section 3.4.4), as DKIM writes it in bh=: blanks at
// the end of a line go, runs of blanks become one space, empty lines at the end
// go.
func BodyHash(raw []byte) string {
	_, body := SplitHeader(raw)
	return hashBody(body)
}

// BodyHashOf returns the BodyHash of m, whose bytes are raw: that of its record,
// if the record is not older than the field.
func BodyHashOf(m *mail.Mail, raw []byte) string {
	if m.BodyHash != "" {
		return m.BodyHash
	}
	return BodyHash(raw)
}

func hashBody(body []byte) string {
	h := sha256.New()
	w := bufio.NewWriterSize(h, 16<<10)
	relaxBody(w, body)
	w.Flush() // a hash never fails
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// relaxBody writes the relaxed form of body. Empty lines are counted and
// written only when something follows them.
func relaxBody(w *bufio.Writer, body []byte) {
	empty := 0
	for len(body) > 0 {
		line, rest, _ := bytes.Cut(body, []byte("\n"))
		body = rest
		line = bytes.TrimRight(bytes.TrimSuffix(line, []byte("\r")), " \t")
		if len(line) == 0 {
			empty++
			continue
		}
		for ; empty > 0; empty-- {
			w.WriteString("\r\n")
		}
		relaxLine(w, line)
		w.WriteString("\r\n")
	}
}

// relaxLine writes line with each run of blanks turned into one space.
func relaxLine(w *bufio.Writer, line []byte) {
	if bytes.IndexByte(line, '\t') < 0 && !bytes.Contains(line, []byte("  ")) {
		w.Write(line)
		return
	}
	blank := false
	for _, c := range line {
		if c == '\t' {
			c = ' '
		}
		if !blank || c != ' ' {
			w.WriteByte(c)
		}
		blank = c == ' '
	}
}
