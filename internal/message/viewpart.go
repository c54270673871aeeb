package message

import (
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"strings"

	"github.com/multimail/multimail/mail"
)

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
	case "application/xhtml+xml", "application/xml", "text/xml", "image/svg+xml":
		return "mail programs may show it as a page or a drawing"
	case "message/partial", "message/external-body":
		return "the recipient's mail program fetches or joins the content elsewhere"
	}
	return ""
}

// leaf lists a leaf, and shows it when it is text: what is offered as a file is
// a click away from being read, and says so in its note.
func (v *viewer) leaf(e *entity) {
	data := v.addPart(e, e.attached())
	if !e.isText() && e.kind != "text/html" {
		return
	}
	note := ""
	if !e.shown() {
		note = strings.TrimSpace("attachment " + v.review.Parts[len(v.review.Parts)-1].Name)
	}
	texts, why := v.texts(e, data)
	text := texts[0].text
	if why == "" && e.isText() {
		why = whyInline(text)
	}
	if why == "" && note == "" && strings.HasPrefix(e.kind, "text/") && e.kind != "text/plain" && e.kind != "text/html" {
		why = "mail programs show this type in ways of their own"
	}
	if p := &v.review.Parts[len(v.review.Parts)-1]; why != "" && p.Why == "" {
		p.Reviewable, p.Why = false, why
	}
	if how, laid := e.relaid(data, text); how != "" && v.afford(e, len(laid)) {
		texts = append(texts, reading{how, laid})
	}
	defer func() { v.otherReadings(e, texts[1:]) }()
	if e.kind != "text/html" {
		v.add(e, SegmentText, note, text)
		v.link(e, textLinks(text))
		if note == "" {
			v.remember(e, text, v.doubts())
		}
		return
	}
	if !v.afford(e, len(text)) { // the source is a form of its own
		return
	}
	v.page(e, note, renderHTML(text))
	if note == "" {
		v.remember(e, text, v.doubts())
	}
}

// page shows what a page says.
func (v *viewer) page(e *entity, note string, page *page) {
	page.eachSegment(func(kind SegmentKind, why, text string) {
		if kind == SegmentHidden {
			v.marked[e] = true
		}
		v.add(e, kind, strings.TrimPrefix(strings.TrimSuffix(note+"; "+why, "; "), "; "), text)
	})
	v.link(e, page.links)
	v.link(e, textLinks(page.words.String()))
}

// doubts reports whether the part that was listed last is not reviewable.
func (v *viewer) doubts() bool { return !v.review.Parts[len(v.review.Parts)-1].Reviewable }

// addPart lists an entity and returns its decoded octets.
func (v *viewer) addPart(e *entity, attached bool) []byte {
	data, why := e.decode(v.left)
	sum := sha256.Sum256(data)
	name, others, more := e.shownNames() // may find the entity odd
	if more > 0 {
		v.warn.Add(WarnFileName, partPath(e), "the part has %d further names that are not shown", more)
	}
	for _, n := range e.names() {
		if why := CheckFileName(n); why != "" {
			v.warn.Add(WarnFileName, partPath(e), "the file name %s: %s", why, n)
		}
	}
	for _, reason := range []string{e.odd, e.opaque()} {
		if why == "" {
			why = reason
		}
	}
	p := Part{
		Path: partPath(e), Name: name, AlsoNamed: others, Type: mail.NeutralLine(e.kind), Size: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), Attachment: attached, Reviewable: why == "", Why: why,
	}
	v.review.Parts = append(v.review.Parts, p)
	if !v.afford(e, partSize+shownSize(p.Name)+shownSize(strings.Join(others, ","))+shownSize(p.Type)) {
		last := &v.review.Parts[len(v.review.Parts)-1]
		last.Name, last.AlsoNamed, last.Type = "", nil, ""
	}
	return data
}

// inlineFile finds what some programs take out of plain text and offer as a
// file, or decrypt, although no part says so.
var inlineFile = regexp.MustCompile(`(?m)^(?:begin(?:-base64)?[ \t]+[0-7]{3,4}[ \t]+\S|=ybegin |` +
	`\(This file must be converted with BinHex|-----BEGIN PGP MESSAGE-----)`)

// whyInline says why plain text is not shown by everybody as it stands, or "".
func whyInline(text string) string {
	if inlineFile.MatchString(text) {
		return "some mail programs take a file or an encrypted text out of it"
	}
	return ""
}
