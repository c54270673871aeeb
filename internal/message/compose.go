package message

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"html"
	"mime"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// Draft is the message a tool describes.
type Draft struct {
	From                  mail.Address
	FromName              string // display name, may be empty
	To, Cc                []mail.Address
	Subject               string
	Markdown              string // CommonMark with tables and links
	Signature             string // plain text that stands below, may be empty
	InReplyTo, References string // message ids, with or without brackets
	Answer                bool   // it answers a mail: auto-replied and not auto-generated (RFC 3834, section 5)
	Attachments           []Attachment

	// What the draft keeps of an earlier message: its Body, which stands in the place of Markdown,
	// Signature and Attachments, or its Files alone, before Attachments. Both nil: nothing.
	Body  []byte
	Files [][]byte
}

// Attachment is a file of a draft.
type Attachment struct {
	Name string // file name; empty means "attachment"
	Type string // media type; empty means application/octet-stream
	Data []byte
}

// Compose writes a draft as a message: the Markdown as it is in a text part, and
// what it renders to in an HTML part beside it, or the text as it is written
// where rendering would drop or change something. The result has no Message-ID
// and no Date: Read, which judges it like any other message, adds both. It says that
// a program wrote it, so that no other program answers.
//
// Control characters in any field that goes into the header are refused, never
// removed (501 5.5.4): whoever sent them meant something else than one line.
func Compose(d Draft) ([]byte, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	head, err := d.header()
	if err != nil {
		return nil, err
	}
	return d.body([]byte(head + "MIME-Version: 1.0\r\n"))
}

// header writes the fields that name people and threads.
func (d Draft) header() (string, error) {
	var b strings.Builder
	from := d.From.String()
	if d.FromName != "" {
		from = "<" + from + ">"
	}
	b.WriteString(fold("From", append(phrase(d.FromName), from)))
	to := addressWords(d.To)
	if len(d.To)+len(d.Cc) == 0 {
		to = []string{"undisclosed-recipients:;"}
	}
	if len(to) > 0 {
		b.WriteString(fold("To", to))
	}
	if len(d.Cc) > 0 {
		b.WriteString(fold("Cc", addressWords(d.Cc)))
	}
	b.WriteString(fold("Subject", unstructured(d.Subject)))
	for _, f := range []struct{ name, ids string }{
		{"In-Reply-To", d.InReplyTo}, {"References", d.References},
	} {
		ids, err := messageIDs(f.name, f.ids)
		if err != nil {
			return "", err
		}
		if len(ids) > 0 {
			b.WriteString(fold(f.name, ids))
		}
	}
	auto := "auto-generated"
	if d.Answer {
		auto = "auto-replied"
	}
	b.WriteString("Auto-Submitted: " + auto + "\r\n")
	return b.String(), nil
}

func addressWords(list []mail.Address) []string {
	var out []string
	for i, a := range list {
		s := a.String()
		if i < len(list)-1 {
			s += ","
		}
		out = append(out, s)
	}
	return out
}

// body appends the MIME fields of the message, the empty line, and the parts.
func (d Draft) body(head []byte) ([]byte, error) {
	if d.Body != nil {
		return append(head, d.Body...), nil
	}
	page, err := renderMarkdown(unixLines(d.Markdown))
	if err != nil {
		return nil, fmt.Errorf("message: render markdown: %w", err)
	}
	plain, page := sign(unixLines(d.Markdown), page, unixLines(d.Signature))
	text := [][]byte{textPart("text/plain", plain), textPart("text/html", htmlFrame(page))}
	if len(d.Attachments)+len(d.Files) == 0 {
		return multipart(head, "alternative", text), nil
	}
	parts := append([][]byte{multipart(nil, "alternative", text)}, d.Files...)
	for _, a := range d.Attachments {
		p, err := a.part()
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	return multipart(head, "mixed", parts), nil
}

// sign appends a signature behind the line that begins one (RFC 3676, section 4.3), as the
// plain text that it is: no character of it is markup.
func sign(text, page, signature string) (string, string) {
	if signature == "" {
		return text, page
	}
	lines := strings.ReplaceAll(html.EscapeString(signature), "\n", "<br>\n")
	return strings.TrimRight(text, "\n") + SignatureMark + signature + "\n", page + "<p>-- <br>\n" + lines + "</p>\n"
}

// SignatureMark stands between a text and its signature.
const SignatureMark = "\n\n-- \n"

// htmlFrame makes a page of what Markdown renders to.
func htmlFrame(page string) string {
	return "<!DOCTYPE html>\n<html><head><meta charset=\"utf-8\"></head><body>\n" + page + "</body></html>\n"
}

// multipart appends parts to head. The boundary is a hash of what it separates, so it
// cannot occur in there, and a draft composed twice gives the same octets.
func multipart(head []byte, kind string, parts [][]byte) []byte {
	h := sha256.New()
	n := len(head) + 200
	for _, p := range parts {
		h.Write(p)
		n += len(p) + 100
	}
	boundary := fmt.Sprintf("=_%x", h.Sum(nil)[:16])
	out := append(make([]byte, 0, n), head...)
	out = fmt.Appendf(out, "Content-Type: multipart/%s;\r\n boundary=\"%s\"\r\n\r\n", kind, boundary)
	for _, p := range parts {
		out = fmt.Appendf(out, "--%s\r\n", boundary)
		out = append(out, p...)
		out = append(out, "\r\n"...)
	}
	return fmt.Appendf(out, "--%s--\r\n", boundary)
}

// textPart writes a text part in the encoding that fits it best.
func textPart(kind, text string) []byte {
	text = strings.NewReplacer("\r\n", "\n", "\r", "\n").Replace(text)
	longest, eight := 0, 0
	for _, line := range strings.Split(text, "\n") {
		longest = max(longest, len(line))
	}
	for _, c := range []byte(text) {
		if c >= 0x80 {
			eight++
		}
	}
	text = strings.ReplaceAll(text, "\n", "\r\n")
	head := "Content-Type: " + kind + "; charset=utf-8\r\nContent-Transfer-Encoding: "
	switch {
	case eight > len(text)/6:
		return encode64([]byte(head+"base64\r\n\r\n"), []byte(text))
	case eight == 0 && longest <= 78:
		return []byte(head + "7bit\r\n\r\n" + text)
	}
	var b bytes.Buffer
	b.WriteString(head + "quoted-printable\r\n\r\n")
	w := quotedprintable.NewWriter(&b)
	w.Write([]byte(text)) // a bytes.Buffer never fails
	w.Close()
	return b.Bytes()
}

// encode64 appends data in base64, in lines of 76 characters.
func encode64(out, data []byte) []byte {
	const line = 57
	for len(data) > line {
		out = append(base64.StdEncoding.AppendEncode(out, data[:line]), "\r\n"...)
		data = data[line:]
	}
	return base64.StdEncoding.AppendEncode(out, data)
}

// part writes an attachment. A message is sent as plain octets: its own type
// would forbid the encoding that keeps it byte-exact (RFC 2046, section 5.2.1).
func (a Attachment) part() ([]byte, error) {
	kind, params, err := mime.ParseMediaType(a.Type)
	if a.Type == "" || strings.HasPrefix(kind, "message/") {
		kind, params, err = "application/octet-stream", nil, nil
	}
	if err != nil || !strings.Contains(kind, "/") || strings.HasPrefix(kind, "multipart/") {
		return nil, mail.ErrInvalid.Errorf("attachment type: not a media type such as application/pdf")
	}
	name := a.Name
	if name == "" {
		name = "attachment"
	}
	contentType := mime.FormatMediaType(kind, params)
	if len(contentType) > 900 {
		return nil, mail.ErrInvalid.Errorf("attachment type: too long")
	}
	head := "Content-Type: " + contentType + "\r\nContent-Disposition: attachment;\r\n" +
		fileNameParameter(name) + "\r\nContent-Transfer-Encoding: base64\r\n\r\n"
	out := make([]byte, 0, len(head)+base64.StdEncoding.EncodedLen(len(a.Data))*39/38+2)
	return encode64(append(out, head...), a.Data), nil
}

// fileNameParameter writes the name of a file. With quotes or an asterisk it is
// written in octets (RFC 2231): programs disagree about these.
func fileNameParameter(name string) string {
	if !strings.ContainsAny(name, `"'*`) {
		return strings.TrimPrefix(mime.FormatMediaType("attachment", map[string]string{"filename": name}), "attachment;")
	}
	var b strings.Builder
	b.WriteString(" filename*=utf-8''")
	for _, c := range []byte(name) {
		if mail.IsAlnum(c) || c == '.' || c == '-' || c == '_' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "%%%02X", c)
		}
	}
	return b.String()
}

// check refuses what cannot stand in a header, and names the field.
func (d Draft) check() error {
	if d.From.IsZero() {
		return mail.ErrInvalid.Errorf("from: missing")
	}
	for _, list := range [][]mail.Address{d.To, d.Cc} {
		for _, a := range list {
			if a.IsZero() {
				return mail.ErrInvalid.Errorf("to or cc: empty address")
			}
		}
	}
	fields := []struct{ name, value string }{
		{"from name", d.FromName}, {"subject", d.Subject},
		{"in-reply-to", d.InReplyTo}, {"references", d.References},
	}
	for _, a := range d.Attachments {
		fields = append(fields, struct{ name, value string }{"attachment name", a.Name},
			struct{ name, value string }{"attachment type", a.Type})
	}
	for _, f := range fields {
		if !utf8.ValidString(f.value) || strings.ContainsFunc(f.value, mail.IsControl) {
			return mail.ErrInvalid.Errorf("%s: control characters are not allowed", f.name)
		}
	}
	for _, a := range d.Attachments {
		if why := CheckFileName(a.Name); a.Name != "" && why != "" {
			return mail.ErrInvalid.Errorf("attachment name: must be a plain file name of at most 255 octets; this one %s", why)
		}
	}
	if why := checkName(d.FromName, d.From); why != "" {
		return mail.ErrInvalid.Errorf("from name: %s", why)
	}
	if text := d.Markdown + d.Signature; !utf8.ValidString(text) || strings.ContainsRune(text, 0) {
		return mail.ErrInvalid.Errorf("markdown: must be UTF-8 without NUL")
	}
	return nil
}
