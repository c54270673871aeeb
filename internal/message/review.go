package message

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"

	"github.com/multimail/multimail/mail"
)

// Review is what an approver must see, made from the canonical bytes alone and
// fetching nothing. Every string is decoded and neutralised.
type Review struct {
	Subject string

	// Address fields, one address an item.
	From, Sender, To, Cc, ReplyTo []string

	Receipt  []string  // who is told when the mail is read or delivered
	Segments []Segment // what the mail says, in its order; a page that only repeats text is left out
	Differ   bool      // the HTML may show something else than the text
	Links    []Link    // every link in HTML and text, in order, no duplicates
	Parts    []Part    // every leaf part, attached messages, and containers that are not sound
	Fields   []Field   // header fields of the mail and of its parts
	Date     time.Time // of the Date field, zero when it is malformed
	Warnings []Warning // what must be told before a decision
}

// Text returns what the text parts say, attached messages included.
func (r *Review) Text() string { return r.say(SegmentText) }

// HTML returns what the HTML parts say where text does not stand for them.
func (r *Review) HTML() string { return r.say(SegmentHTML) }

// say joins the segments of one kind.
func (r *Review) say(kind SegmentKind) string {
	var texts []string
	for _, s := range r.Segments {
		if s.Kind == kind && s.Text != "" {
			texts = append(texts, s.Text)
		}
	}
	return strings.Join(texts, "\n\n")
}

// Part is one leaf of the MIME tree.
type Part struct {
	Path       string   // "2.1": the first part of the second part; "": the whole message
	Name       string   // file name, as the most lenient reader takes it
	AlsoNamed  []string // file names that other readers take
	Type       string   // media type
	Size       int64    // octets, decoded
	SHA256     string   // hex, of the decoded octets
	Attachment bool     // offered as a file
	Reviewable bool     // decoded as every reader would; if it is text, it stands in Segments
	Why        string   // why it is not reviewable
}

// NewReview makes the approver's view. It never fails: what cannot be decoded
// is a Part that is not Reviewable.
func NewReview(raw []byte) *Review {
	left := newBudget(len(raw))
	root, _ := parseMIME(raw, left)
	v := &viewer{review: &Review{}, root: root, own: ownDomain(root), left: left, seen: map[string]int{}, marked: map[*entity]bool{},
		messages: map[*entity]bool{}}
	v.header(root)
	v.otherHeader(root)
	v.visit(root)
	v.compare(root)
	v.finish()
	return v.review
}

// viewer gathers the Review along the tree.
type viewer struct {
	review   *Review
	root     *entity
	own      string // the mailbox's domain
	left     *budget
	short    map[*entity]bool // what could not be shown for want of budget
	warn     Warnings
	fields   int // counted, those beyond the limit too
	shown    []stretch
	depth    int                // attached messages around the entity that is visited
	seen     map[string]int     // the place of a link, from 1, by target and by target and text
	sources  map[*entity]string // leaves that are shown, decoded
	covered  map[*entity]bool   // pages that say what some text says
	marked   map[*entity]bool   // pages that hide something
	messages map[*entity]bool   // attached messages
	doubtful map[*entity]bool   // leaves that readers decode in more than one way
	budget   int                // octets that may still be rendered from Markdown
}

// stretch is a segment that may turn out to repeat another.
type stretch struct {
	Segment
	page *entity // the HTML leaf it stems from
}

// add appends a segment about e.
func (v *viewer) add(e *entity, kind SegmentKind, note, text string) {
	d := stretch{Segment: Segment{Kind: kind, Part: partPath(e), Depth: v.depth, Note: mail.NeutralLine(note),
		Text: strings.TrimSpace(mail.Neutralise(strings.ReplaceAll(text, "\r\n", "\n")))}}
	if e.kind == "text/html" {
		d.page = e
	}
	if (d.Text != "" || kind == SegmentAttached) && v.afford(e, segmentSize+shownSize(d.Text)+shownSize(d.Note)) {
		v.shown = append(v.shown, d)
	}
}

// finish keeps the segments that say something of their own, and warns.
func (v *viewer) finish() {
	r := v.review
	if r.Differ {
		v.warn.Add(WarnDiffer, "", "the HTML may show something else than the text")
	}
	told := map[[2]string]bool{} // hidden text, once for each reason in a part
	for _, d := range v.shown {
		if d.page != nil && v.covered[d.page] && !v.marked[d.page] && d.Kind != SegmentOutside {
			continue
		}
		r.Segments = append(r.Segments, d.Segment)
		switch d.Kind {
		case SegmentHidden:
			if reason := [2]string{d.Part, d.Note}; !told[reason] {
				told[reason] = true
				v.warn.Add(WarnHidden, d.Part, "text that some mail programs do not show: %s", d.Note)
			}
		case SegmentOutside:
			v.warn.Add(WarnOutside, d.Part, "text outside the parts, or no header field")
		}
	}
	for _, p := range r.Parts {
		if !p.Reviewable {
			v.warn.Add(WarnNotReviewable, p.Path, "not reviewable: %s", p.Why)
		}
	}
	for i := 0; i < len(r.Links) && i < maxListed; i++ {
		v.checkHost(r.Links[i].Target)
	}
	r.Segments = limitList(v, "segments", r.Segments)
	r.Links = limitList(v, "links", r.Links)
	r.Parts = limitList(v, "parts", r.Parts)
	if v.fields > maxListed {
		v.warn.Add(WarnCut, "", "%d header fields, of which %d are shown", v.fields, maxListed)
	}
	r.Warnings = v.warn.List()
}

// limitList cuts a list of the view and says so: what is not shown cannot be
// judged.
func limitList[T any](v *viewer, what string, list []T) []T {
	if len(list) <= maxListed {
		return list
	}
	v.warn.Add(WarnCut, "", "%d %s, of which %d are shown", len(list), what, maxListed)
	return list[:maxListed]
}

func partPath(e *entity) string {
	if e.path == "" && len(e.parts) == 0 {
		return "1"
	}
	return e.path
}

// receiptFields ask the recipient's side to tell somebody about the mail.
var receiptFields = []string{
	"disposition-notification-to", "return-receipt-to", "x-confirm-reading-to",
	"generate-delivery-report", "errors-to", "notice-requested-upon-delivery-to",
}

func (v *viewer) header(e *entity) {
	r := v.review
	r.Subject = mail.NeutralLine(decodeWords(e.field("subject")))
	r.Date, _ = parseDate(e.field("date"))
	r.From = e.addresses("from")
	r.Sender = e.addresses("sender")
	r.To = e.addresses("to")
	r.Cc = e.addresses("cc")
	r.ReplyTo = append(e.addresses("reply-to"), e.addresses("mail-followup-to")...)
	for _, name := range receiptFields {
		r.Receipt = append(r.Receipt, e.addresses(name)...)
	}
	for _, f := range []struct {
		name string
		list *[]string
	}{
		{"From", &r.From}, {"Sender", &r.Sender}, {"Reply-To", &r.ReplyTo}, {"To", &r.To}, {"Cc", &r.Cc},
		{"a receipt field", &r.Receipt},
	} {
		v.checkNames(f.name, *f.list)
		*f.list = limitList(v, "addresses in "+f.name, *f.list)
	}
	v.checkReplies()
	v.link(nil, textLinks(r.Subject))
	v.link(nil, textLinks(e.field("list-unsubscribe")))
}

// checkReplies warns of answers and receipts that go to somebody else.
func (v *viewer) checkReplies() {
	own := addressesIn(v.root.field("from"))
	for _, item := range v.review.ReplyTo {
		if _, addr := splitItem(item); len(own) == 0 || !strings.EqualFold(addr, own[0].String()) {
			v.warn.Add(WarnReply, "", "replies go to %s", item)
		}
	}
	for _, item := range v.review.Receipt {
		v.warn.Add(WarnReceipt, "", "%s is told when the mail is read or delivered", item)
	}
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

// link lists links of e, or of the header for nil. One that was listed without
// a text takes that of another to the same target.
func (v *viewer) link(e *entity, links []Link) {
	for _, l := range links {
		raw := l
		l = Link{Target: displayLink(raw.Target), Text: mail.NeutralLine(raw.Text), Why: raw.Why}
		if l.Text == l.Target {
			l.Text = ""
		}
		key := l.Target + "\x00" + l.Text + "\x00" + l.Why
		bare := v.seen[l.Target]
		if l.Target == "" && l.Text == "" || v.seen[key] > 0 || bare > 0 && l.Text == "" && l.Why == "" {
			continue
		}
		if l.Why == "" {
			l.Why = mail.NeutralLine(checkLink(raw.Target, raw.Text))
		}
		if !v.afford(nil, l.size()) {
			return
		}
		if bare > 0 && v.review.Links[bare-1].Text == "" && v.review.Links[bare-1].Why == l.Why {
			v.review.Links[bare-1].Text = l.Text
			v.seen[key] = bare
			continue
		}
		v.review.Links = append(v.review.Links, l)
		n := len(v.review.Links)
		if v.seen[key] = n; bare == 0 {
			v.seen[l.Target] = n
		}
		if part := ""; l.Why != "" {
			if e != nil {
				part = partPath(e)
			}
			v.warn.Add(WarnLink, part, "a link to %s: %s", cutText(l.Target, 100), l.Why)
		}
	}
}

// visit shows an entity and what is inside it.
func (v *viewer) visit(e *entity) {
	v.listFields(e)
	switch {
	case e.isMessage():
		v.addPart(e, true)
		v.messages[e.parts[0]] = true
		v.depth++
		defer func() { v.depth-- }()
		v.add(e, SegmentAttached, "", headline(e.parts[0]))
		v.otherHeader(e.parts[0])
	case len(e.parts) > 0:
		if e.odd != "" {
			v.review.Parts = append(v.review.Parts,
				Part{Path: e.path, Type: mail.NeutralLine(e.kind), Why: e.odd})
		}
	default:
		v.leaf(e)
	}
	for _, p := range e.parts {
		v.visit(p)
	}
	for _, b := range e.outside {
		if s := strings.TrimSpace(string(b)); !isCustomary(s) {
			v.add(e, SegmentOutside, "", s)
		}
	}
}

// headline returns the fields of an attached message that mail programs show,
// one a line.
func headline(e *entity) string {
	var b strings.Builder
	for _, name := range []string{"From", "Sender", "Reply-To", "To", "Cc"} {
		if list := e.addresses(strings.ToLower(name)); len(list) > 0 {
			b.WriteString(name + ": " + strings.Join(list, ", ") + "\n")
		}
	}
	return b.String() + "Subject: " + mail.NeutralLine(decodeWords(e.field("subject")))
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
			v.say(e, text, v.doubts())
		}
		return
	}
	if !v.afford(e, len(text)) { // the source is a form of its own
		return
	}
	v.page(e, note, renderHTML(text))
	if note == "" {
		v.say(e, text, v.doubts())
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
