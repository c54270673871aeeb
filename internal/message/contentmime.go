package message

import (
	"bytes"
	"encoding/base64"
	"errors"
	"strings"

	"github.com/multimail/multimail/mail"
)

// contentHeader is what the header of an entity says about its body, in lower case.
type contentHeader struct {
	kind        string            // media type
	params      map[string]string // of Content-Type; values as written
	encoding    string            // "" without one
	disposition string            // "", inline or attachment
}

// readContentHeader cuts an entity into header and body, and reads three fields
// by a grammar so narrow that all mail programs agree on what it lets pass.
func readContentHeader(data []byte) (h contentHeader, body []byte, err error) {
	var header []byte
	switch at := bytes.Index(data, []byte("\r\n\r\n")); {
	case bytes.HasPrefix(data, []byte("\r\n")):
		body = data[2:]
	case at < 0:
		return h, nil, errors.New("a header has no end")
	default:
		header, body = data[:at], data[at+4:]
	}
	fields, err := contentFields(header)
	if err != nil {
		return h, nil, err
	}
	h = contentHeader{kind: "text/plain", encoding: lowerASCII(fields["content-transfer-encoding"])}
	if v, ok := fields["content-type"]; ok {
		if h.kind, h.params, err = strictType(v); err != nil {
			return h, nil, err
		}
	}
	if v, ok := fields["content-disposition"]; ok {
		v, _, _ = strings.Cut(v, ";")
		h.disposition = lowerASCII(strings.Trim(v, " \t"))
		if h.disposition != "inline" && h.disposition != "attachment" {
			return h, nil, errors.New("a Content-Disposition is neither inline nor attachment")
		}
	}
	return h, body, nil
}

// contentFields returns the values of the three fields that count, unfolded.
func contentFields(header []byte) (map[string]string, error) {
	out := map[string]string{}
	last := "" // the field that goes on, "" before the first
	for line := range strings.SplitSeq(string(header), "\r\n") {
		if strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t") {
			if last == "" {
				return nil, errNoField
			}
			if v, counts := out[last]; counts && len(v) <= maxContentField {
				out[last] = v + line
			}
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if line != "" && (!ok || name == "" || strings.ContainsFunc(name, isNoNameRune)) {
			return nil, errNoField
		}
		switch last = lowerASCII(name); last {
		case "content-type", "content-disposition", "content-transfer-encoding":
			if _, again := out[last]; again {
				return nil, errors.New("a field stands twice that says what a part is")
			}
			out[last] = value
		}
	}
	for name, value := range out {
		if len(value) > maxContentField {
			return nil, errors.New("a field that says what a part is is too long")
		}
		out[name] = strings.Trim(value, " \t")
	}
	return out, nil
}

// maxContentField is how many octets the unfolded value of such a field may have.
const maxContentField = 4096

var errNoField = errors.New("a line of a header is no field")

func isNoNameRune(r rune) bool { return r <= ' ' || r > '~' }

var errContentType = errors.New("a Content-Type is not written as type/subtype; name=value")

// strictType reads a Content-Type without comments, extensions or repetitions.
func strictType(value string) (kind string, params map[string]string, err error) {
	kind, rest, more := strings.Cut(value, ";")
	kind = lowerASCII(strings.Trim(kind, " \t"))
	a, b, _ := strings.Cut(kind, "/")
	if !isToken(a) || !isToken(b) {
		return "", nil, errContentType
	}
	params = map[string]string{}
	for more {
		if rest = strings.TrimLeft(rest, " \t"); rest == "" {
			break // a semicolon at the end
		}
		name, after, ok := strings.Cut(rest, "=")
		name = lowerASCII(name)
		_, again := params[name]
		if !ok || !isToken(name) || again {
			return "", nil, errContentType
		}
		if strings.HasPrefix(name, "charset*") || strings.HasPrefix(name, "boundary*") {
			return "", nil, errors.New("a charset or boundary is continued or encoded (RFC 2231)")
		}
		var v string
		if v, rest, ok = strictValue(after); !ok {
			return "", nil, errContentType
		}
		params[name] = v
		if rest = strings.TrimLeft(rest, " \t"); rest != "" && rest[0] != ';' {
			return "", nil, errContentType
		}
		rest, more = strings.TrimPrefix(rest, ";"), rest != ""
	}
	return kind, params, nil
}

// strictValue takes a token, or a quoted string without a backslash, off s.
func strictValue(s string) (v, rest string, ok bool) {
	if quoted, found := strings.CutPrefix(s, `"`); found {
		v, rest, ok = strings.Cut(quoted, `"`)
		return v, rest, ok && v != "" && !strings.Contains(v, `\`) &&
			!strings.ContainsFunc(v, func(r rune) bool { return r != '\t' && !mail.IsPrintable(r) })
	}
	n := strings.IndexAny(s, " \t;")
	if n < 0 {
		n = len(s)
	}
	return s[:n], s[n:], isToken(s[:n])
}

// cutStrictly cuts the body of a multipart at its boundary lines. The CRLF
// before a boundary line belongs to it.
func cutStrictly(body []byte, boundary string) (parts [][]byte, err error) {
	if boundary == "" || len(boundary) > 70 || strings.ContainsFunc(boundary, func(r rune) bool {
		return r > '~' || !mail.IsAlnum(byte(r)) && !strings.ContainsRune("'()+_,-./:=?", r)
	}) {
		return nil, errors.New("a boundary is missing or malformed")
	}
	delimiter := []byte("--" + boundary)
	start := -1 // of the part under way
	for at := 0; at < len(body); {
		line := body[at:]
		next := len(body)
		if i := bytes.Index(line, []byte("\r\n")); i >= 0 {
			line, next = line[:i], at+i+2
		}
		if rest, ok := bytes.CutPrefix(line, delimiter); ok {
			rest = bytes.TrimRight(rest, " \t")
			if len(rest) > 0 && string(rest) != "--" {
				return nil, errors.New("a line looks like a boundary and is none")
			}
			if start >= 0 {
				parts = append(parts, body[start:max(start, at-2)])
			}
			if start = next; len(rest) > 0 {
				if len(parts) == 0 {
					return nil, errors.New("a multipart has no parts")
				}
				return parts, nil
			}
		}
		at = next
	}
	return nil, errors.New("the last boundary of a multipart is missing")
}

// decodeStrictly undoes a transfer encoding that has nothing to repair.
func decodeStrictly(encoding string, body []byte) ([]byte, error) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return body, nil
	case "base64":
		packed := make([]byte, 0, len(body))
		for _, c := range body {
			if strings.IndexByte(" \t\r\n", c) < 0 {
				packed = append(packed, c)
			}
		}
		// Decoding in place is safe: the result never overtakes its source.
		n, err := base64.StdEncoding.Decode(packed, packed)
		if err != nil {
			return nil, errors.New("a base64 part is damaged")
		}
		return packed[:n], nil
	case "quoted-printable":
		if out, sound := decodeQuoted(body); sound == len(out) && !hasEightBit(body) {
			return out, nil
		}
		return nil, errors.New("a quoted-printable part is damaged")
	}
	return nil, errors.New("a transfer encoding is unknown")
}
