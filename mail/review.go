package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
)

// Review is what an approver must see, made from the canonical bytes alone and
// fetching nothing. Every string is decoded and neutralised.
type Review struct {
	Subject string

	// Address fields, one address an item.
	From, Sender, To, Cc, ReplyTo []string

	Receipt []string // who is told when the mail is read or delivered
	Text    string   // decoded text/plain parts
	HTML    string   // HTML parts as text; "" when they only repeat Text
	Differ  bool     // text and HTML parts say different words
	Links   []string // every link target in HTML and text, in order, no duplicates
	Parts   []Part   // every leaf part, attached messages, and containers that are not sound
}

// Part is one leaf of the MIME tree.
type Part struct {
	Path       string // "2.1": the first part of the second part; "": the whole message
	Name       string // file name; a second name for other readers follows it
	Type       string // media type
	Size       int64  // octets, decoded
	SHA256     string // hex, of the decoded octets
	Attachment bool   // offered as a file
	Reviewable bool   // decoded as every reader would; if it is text, it stands in Text or HTML
	Why        string // why it is not reviewable
}

// NewReview makes the approver's view. It never fails: what cannot be decoded
// is a Part that is not Reviewable.
func NewReview(raw []byte) *Review {
	root, _ := parseMIME(raw)
	v := &viewer{review: &Review{}, seen: map[string]bool{}}
	v.header(root)
	v.visit(root)
	v.compare(root)
	r := v.review
	r.Text = strings.TrimSpace(Neutralise(v.text.String()))
	if page := strings.TrimSpace(Neutralise(v.html.String())); r.Text == "" || v.showHTML {
		r.HTML = page
	}
	return r
}

// viewer gathers the Review along the tree.
type viewer struct {
	review   *Review
	text     strings.Builder
	html     strings.Builder
	showHTML bool
	seen     map[string]bool // links
	words    map[*entity]string
	sources  map[*entity]string // text leaves as written
	covered  map[*entity]bool   // pages that say what some text says
	budget   int                // octets that may still be rendered from Markdown
}

// receiptFields ask the recipient's side to tell somebody about the mail.
var receiptFields = []string{
	"disposition-notification-to", "return-receipt-to", "x-confirm-reading-to",
	"generate-delivery-report", "errors-to", "notice-requested-upon-delivery-to",
}

func (v *viewer) header(e *entity) {
	r := v.review
	r.Subject = neutralLine(decodeWords(e.field("subject")))
	r.From = e.addresses("from")
	r.Sender = e.addresses("sender")
	r.To = e.addresses("to")
	r.Cc = e.addresses("cc")
	r.ReplyTo = append(e.addresses("reply-to"), e.addresses("mail-followup-to")...)
	for _, name := range receiptFields {
		r.Receipt = append(r.Receipt, e.addresses(name)...)
	}
	v.link(textLinks(r.Subject))
	v.link(textLinks(e.field("list-unsubscribe")))
}

// addresses returns what stands in the fields of that name, ready to be shown.
func (e *entity) addresses(name string) []string {
	var out []string
	for _, f := range e.fields {
		if f.is(name) {
			for _, item := range splitAddresses(f.value()) {
				out = append(out, displayAddress(item))
			}
		}
	}
	return out
}

func (v *viewer) link(links []string) {
	for _, l := range links {
		if l = displayLink(l); l != "" && !v.seen[l] {
			v.seen[l] = true
			v.review.Links = append(v.review.Links, l)
		}
	}
}

// visit shows an entity and what is inside it.
func (v *viewer) visit(e *entity) {
	switch {
	case e.isMessage():
		v.addPart(e, true)
		inner := e.parts[0]
		v.addText("[attached message, from " + strings.Join(inner.addresses("from"), ", ") +
			", subject: " + neutralLine(decodeWords(inner.field("subject"))) + "]")
	case len(e.parts) > 0:
		if e.odd != "" {
			v.review.Parts = append(v.review.Parts,
				Part{Path: e.path, Type: neutralLine(e.kind), Why: e.odd})
		}
	default:
		v.leaf(e)
	}
	for _, p := range e.parts {
		v.visit(p)
	}
	for _, b := range e.outside {
		if s := strings.TrimSpace(string(b)); s != "" && !isCustomary(s) {
			v.addText("[outside the parts, hidden by most mail programs:]\n" + s)
		}
	}
}

// isCustomary reports whether s is a preamble that mail programs write for
// readers without MIME.
func isCustomary(s string) bool {
	switch s {
	case "This is a multi-part message in MIME format.",
		"This is a multipart message in MIME format.",
		"This is a MIME-encapsulated message",
		"This is an OpenPGP/MIME signed message (RFC 4880 and 3156)",
		"This is a cryptographically signed message in MIME format.":
		return true
	}
	return false
}

// addText adds a paragraph to the text.
func (v *viewer) addText(s string) {
	if v.text.Len() > 0 {
		v.text.WriteString("\n\n")
	}
	v.text.WriteString(strings.ReplaceAll(s, "\r\n", "\n"))
}

// leaf lists a leaf, and shows it when a reader shows it in the mail itself.
func (v *viewer) leaf(e *entity) {
	data := v.addPart(e, e.attached())
	if !e.shown() {
		return
	}
	text, why := decodeCharset(e.params["charset"], data)
	if p := &v.review.Parts[len(v.review.Parts)-1]; why != "" && p.Why == "" {
		p.Reviewable, p.Why = false, why
	}
	if e.kind != "text/html" {
		v.addText(text)
		v.link(textLinks(text))
		v.say(e, text, text)
		return
	}
	page := renderHTML(text)
	if v.html.Len() > 0 {
		v.html.WriteString("\n\n")
	}
	v.html.WriteString(page.out.b.String())
	v.link(page.links)
	v.link(textLinks(page.words.String()))
	v.showHTML = v.showHTML || page.marked
	v.say(e, page.words.String(), "")
}

// addPart lists an entity and returns its decoded octets.
func (v *viewer) addPart(e *entity, attached bool) []byte {
	data, why := decodeTransfer(e.encoding, e.body)
	sum := sha256.Sum256(data)
	names := e.names() // may find the entity odd
	for _, reason := range []string{e.odd, e.opaque()} {
		if why == "" {
			why = reason
		}
	}
	p := Part{
		Path: e.path, Type: neutralLine(e.kind), Size: int64(len(data)),
		SHA256: hex.EncodeToString(sum[:]), Attachment: attached, Reviewable: why == "", Why: why,
	}
	if p.Path == "" {
		p.Path = "1"
	}
	if len(names) > 0 {
		p.Name = neutralLine(names[0])
	}
	if len(names) > 1 {
		p.Name += " (also named " + neutralLine(strings.Join(names[1:], ", ")) + ")"
	}
	v.review.Parts = append(v.review.Parts, p)
	return data
}
