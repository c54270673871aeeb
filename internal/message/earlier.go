package message

import (
	"bytes"
	"errors"
	"mime"
	"strings"

	"github.com/multimail/multimail/mail"
)

// Earlier is what a draft may keep of a message that Compose wrote and Read completed.
type Earlier struct {
	Header  mail.Header // whom it names, and what it answers
	Subject string      // as its author gave it
	Body    []byte      // its MIME fields, the empty line and its body: Draft.Body
	Files   [][]byte    // its attachments, each a whole part: Draft.Files
}

var errNotComposed = errors.New("message: it is not as Compose writes it")

// ReadEarlier cuts such a message into what may be kept of it. Any other message is an error.
func ReadEarlier(raw []byte) (Earlier, error) {
	var kept Earlier
	var kind string
	for f := range RawFields(raw) {
		switch {
		case f.Is("Content-Type"):
			kind = f.Value()
			kept.Body = append(kept.Body, f.Raw...)
		case f.Is("Subject"):
			kept.Subject = strings.TrimSpace(decodeWords(f.Value()))
		}
	}
	media, params, err := mime.ParseMediaType(kind)
	boundary := params["boundary"]
	if err != nil || boundary == "" {
		return kept, errNotComposed
	}
	_, body := SplitHeader(raw)
	kept.Body = append(append(kept.Body, "\r\n"...), body...)
	kept.Header = ReadIncoming(raw).Header
	if media == "multipart/alternative" {
		return kept, nil
	}
	inner, ended := bytes.CutSuffix(body, []byte("--"+boundary+"--\r\n"))
	parts := bytes.Split(inner, []byte("--"+boundary+"\r\n"))
	if media != "multipart/mixed" || !ended || len(parts) < 3 || len(parts[0]) > 0 {
		return kept, errNotComposed
	}
	for _, p := range parts[2:] { // the text is the first
		kept.Files = append(kept.Files, bytes.TrimSuffix(p, []byte("\r\n")))
	}
	return kept, nil
}
