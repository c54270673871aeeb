package mail

import (
	"bytes"
	"encoding/base64"
	"io"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/emersion/go-message/charset"
)

// decodeTransfer undoes a Content-Transfer-Encoding (RFC 2045, section 6).
// When the encoding is unknown or damaged it returns what could be decoded and
// says why that is not the whole.
func decodeTransfer(encoding string, body []byte) (data []byte, why string) {
	switch encoding {
	case "", "7bit", "8bit", "binary":
		return body, ""
	case "base64":
		packed := make([]byte, 0, len(body))
		for _, c := range body {
			if c != '\r' && c != '\n' && c != ' ' && c != '\t' {
				packed = append(packed, c)
			}
		}
		// Decoding in place is safe: the result never overtakes its source.
		n, err := base64.StdEncoding.Decode(packed, packed)
		if err != nil {
			why = "its base64 is damaged"
		}
		return packed[:n], why
	case "quoted-printable":
		data, err := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(body)))
		if err != nil {
			why = "its quoted-printable is damaged"
		}
		return data, why
	}
	return body, "its transfer encoding is unknown"
}

// decodeCharset turns text into UTF-8 and says why when it cannot.
func decodeCharset(set string, data []byte) (text, why string) {
	switch strings.ToLower(set) {
	case "", "us-ascii", "utf-8":
		if !utf8.Valid(data) {
			why = "it holds octets that are not in its charset"
		}
		return string(data), why
	}
	r, err := charset.Reader(set, bytes.NewReader(data))
	if err != nil {
		return string(data), "its charset is unknown"
	}
	out, err := io.ReadAll(r)
	switch {
	case err != nil, bytes.ContainsRune(out, utf8.RuneError):
		why = "it holds octets that are not in its charset"
	case strings.EqualFold(set, "utf-16") && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) && !bytes.HasPrefix(data, []byte{0xff, 0xfe}):
		why = "its charset does not say the order of its octets"
	}
	return string(out), why
}

// opaque says why the content of a leaf is out of sight although its octets
// are plain, or "".
func (e *entity) opaque() string {
	switch e.kind {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return "it is encrypted or signed in one piece"
	case "application/pgp-encrypted":
		return "it is encrypted"
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return "it is a container that only some mail programs open"
	case "message/partial", "message/external-body":
		return "the recipient's mail program fetches or joins the content elsewhere"
	}
	return ""
}

// names returns every name under which a reader may offer the leaf, decoded,
// without duplicates: the one of RFC 2231 and RFC 2183 first.
func (e *entity) names() []string {
	var out []string
	add := func(name string) {
		name = decodeWords(name)
		for _, have := range out {
			if have == name {
				return
			}
		}
		if name != "" {
			out = append(out, name)
		}
	}
	for _, where := range [][2]string{{"content-disposition", "filename"}, {"content-type", "name"}} {
		value := e.field(where[0])
		if value == "" {
			continue
		}
		_, params, err := mime.ParseMediaType(value)
		if err != nil {
			if where[0] == "content-disposition" {
				e.note("its Content-Disposition is malformed")
				_, value, _ = strings.Cut(value, ";")
				add(strings.TrimSpace(value))
			}
			continue
		}
		add(params[where[1]])
		add(plainParam(value, where[1]))
	}
	return out
}

// plainParam returns the value of the parameter that is called exactly name.
// mime.ParseMediaType lets name* win over it; readers without RFC 2231 do not.
func plainParam(value, name string) string {
	for i := 0; i < len(value); i++ {
		switch c := value[i]; c {
		case '"':
			_, n := quotedString(value[i:])
			i += max(n-1, 0)
		case ';':
			key, rest, ok := strings.Cut(value[i+1:], "=")
			if !ok || !strings.EqualFold(strings.TrimSpace(key), name) {
				continue
			}
			if rest = strings.TrimLeft(rest, " \t"); strings.HasPrefix(rest, `"`) {
				text, _ := quotedString(rest)
				return text
			}
			token, _, _ := strings.Cut(rest, ";")
			return strings.TrimSpace(token)
		}
	}
	return ""
}
