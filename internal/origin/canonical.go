package origin

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/message"
)

// canonicalisation reads c= (RFC 6376, section 3.4): how a field is written before it is
// hashed, and whether the body is relaxed.
func canonicalisation(tags map[string]string) (header func(message.RawField) string, relaxedBody, ok bool) {
	c, has := tags["c"]
	if !has {
		c = "simple"
	}
	h, b, both := strings.Cut(c, "/")
	if !both {
		b = "simple"
	}
	header = relaxed
	if h == "simple" {
		header = func(f message.RawField) string { return string(f.Raw) }
	}
	return header, b == "relaxed", (h == "simple" || h == "relaxed") && (b == "simple" || b == "relaxed")
}

// relaxed writes a field with its name in lower case, on one line, with single blanks
// (section 3.4.2).
func relaxed(f message.RawField) string {
	words := strings.FieldsFunc(f.Value(), func(r rune) bool { return r == ' ' || r == '\t' || r == '\r' || r == '\n' })
	return strings.ToLower(f.Name) + ":" + strings.Join(words, " ") + "\r\n"
}

// unsigned returns a signature without the value of its tag b (section 3.7).
func unsigned(f message.RawField) message.RawField {
	name, value, _ := bytes.Cut(f.Raw, []byte(":"))
	parts := bytes.Split(value, []byte(";"))
	for i, part := range parts {
		if tag, _, ok := bytes.Cut(part, []byte("=")); ok && string(bytes.Trim(tag, " \t\r\n")) == "b" {
			parts[i] = part[:len(tag)+1]
		}
	}
	raw := append(bytes.Clone(name), ':')
	return message.RawField{Name: f.Name, Raw: append(raw, bytes.Join(parts, []byte(";"))...)}
}

// bodyHash returns the hash of the body as bh= has it.
func (e *examination) bodyHash(relaxed bool) string {
	if relaxed {
		return message.BodyHash(e.m.Raw)
	}
	body := e.body
	for bytes.HasSuffix(body, []byte("\r\n")) {
		body = body[:len(body)-2]
	}
	h := sha256.New()
	h.Write(body)
	h.Write([]byte("\r\n"))
	return base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// expired reports whether x= is over, or cannot be read.
func expired(tags map[string]string) bool {
	x, has := tags["x"]
	if !has {
		return false
	}
	n, err := strconv.ParseInt(x, 10, 64)
	return err != nil || time.Now().Unix() > n
}

func isNumber(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
