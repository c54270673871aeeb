package message

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"slices"
	"strings"
)

// contentOctets is how many octets of a hash stand in the identity header.
const contentOctets = 16

// Limits of what has a content hash.
const (
	maxContentDepth = 10      // multiparts within each other
	maxContentParts = 1000    // multiparts and leaves
	maxContentText  = 4 << 20 // octets of all texts, decoded from their transfer encoding
)

// ContentHash returns the hash of what a message says, whatever form it has: of
// its plain text, the text of its HTML and its attachments, by the algorithm of
// docs/identity.md, section 6. It is base64url of 16 octets. Transfer encodings,
// boundaries, charsets, markup, white space and the order of attachments do not
// count; every word of either text and every octet of an attachment does.
//
// Unlike the approver's view it reads nothing leniently. A message that mail
// programs could read in two ways has no content hash, and the error says why.
// The cost is linear in the octets, times maxContentDepth at most.
func ContentHash(raw []byte) (string, error) {
	var c contentReader
	if err := c.entity(raw, 0); err != nil {
		return "", err
	}
	frames := []string{strings.Join(c.plain, "\n"), strings.Join(c.html, "\n"), c.attachments()}
	if frames[0]+frames[1]+frames[2] == "" {
		return "", errors.New("the message says nothing")
	}
	h := sha256.New()
	for _, f := range frames {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(f))))
		h.Write([]byte(f))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:contentOctets]), nil
}

// contentReader gathers what a message says.
type contentReader struct {
	plain, html []string // texts that hold a word, in their order
	files       []string // SHA-256 of each attachment
	parts       int
	text        int // octets of all texts
}

// attachments returns the third frame.
func (c *contentReader) attachments() string {
	slices.Sort(c.files)
	return strings.Join(c.files, "")
}

// entity reads one message or part.
func (c *contentReader) entity(data []byte, depth int) error {
	if c.parts++; c.parts > maxContentParts {
		return errors.New("too many parts")
	}
	h, body, err := readContentHeader(data)
	if err != nil {
		return err
	}
	if strings.HasPrefix(h.kind, "multipart/") {
		return c.multipart(h, body, depth+1)
	}
	if body, err = decodeStrictly(h.encoding, body); err != nil {
		return err
	}
	switch {
	case h.disposition == "attachment" || h.kind != "text/plain" && h.kind != "text/html":
		sum := sha256.Sum256(body)
		c.files = append(c.files, string(sum[:]))
		return nil
	case h.params["delsp"] != "":
		return errors.New("a text may lose its blanks (RFC 3676, DelSp)")
	}
	return c.leaf(h, body)
}

// leaf reads a text that mail programs show.
func (c *contentReader) leaf(h contentHeader, body []byte) error {
	if c.text += len(body); c.text > maxContentText {
		return errors.New("too much text")
	}
	text, err := contentCharset(h.params["charset"], body)
	if err != nil {
		return err
	}
	list := &c.plain
	if h.kind == "text/html" {
		list = &c.html
		if text, err = contentHTML(text); err != nil {
			return err
		}
	}
	if text, err = contentWords(text); err != nil {
		return err
	}
	if text != "" {
		*list = append(*list, text)
	}
	return nil
}

func (c *contentReader) multipart(h contentHeader, body []byte, depth int) error {
	switch {
	case depth > maxContentDepth:
		return errors.New("parts are nested too deep")
	case h.kind == "multipart/digest":
		return errors.New("the parts of a digest have another default type")
	case h.disposition == "attachment":
		return errors.New("a multipart is an attachment")
	case !slices.Contains([]string{"", "7bit", "8bit", "binary"}, h.encoding):
		return errors.New("a multipart has a transfer encoding")
	}
	parts, err := cutStrictly(body, h.params["boundary"])
	if err != nil {
		return err
	}
	for _, p := range parts {
		if err := c.entity(p, depth); err != nil {
			return err
		}
	}
	return nil
}
