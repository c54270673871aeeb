package message

import (
	"strings"
	"time"
)

// Review is what an approver must see, made from the canonical bytes alone and
// fetching nothing. Every string is decoded and neutralised.
type Review struct {
	Subject string

	// Address fields, one address an item.
	From, Sender, To, Cc, ReplyTo []string

	Receipt  []string  // who gets a notice when the mail is read or delivered
	Segments []Segment // what the mail says, in its order; a page that only repeats text is left out
	Differ   bool      // the HTML may show something else than the text
	Links    []Link    // every link in HTML and text, in order, no duplicates
	Parts    []Part    // every leaf part, attached messages, and containers that are not sound
	Fields   []Field   // header fields of the mail and of its parts
	Date     time.Time // of the Date field, zero when it is malformed
	Warnings []Warning // what an approver must know before a decision
}

// Text returns what the text parts say, attached messages included.
func (r *Review) Text() string { return r.join(SegmentText) }

// HTML returns what the HTML parts say where text does not stand for them.
func (r *Review) HTML() string { return r.join(SegmentHTML) }

// join joins the segments of one kind.
func (r *Review) join(kind SegmentKind) string {
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
// is a Part that is not Reviewable. Mail of strangers is cut as NewReading cuts it.
func NewReview(raw []byte) *Review {
	raw = readable(raw, &remarks{})
	left := newBudget(len(raw))
	root, _ := parseMIME(raw, left)
	v := &viewer{review: &Review{}, root: root, own: ownDomain(root), left: left, seen: map[string]int{},
		marked: map[*entity]bool{}, messages: map[*entity]bool{}}
	v.header(root)
	v.otherHeader(root)
	v.visit(root)
	v.compare(root)
	v.finish()
	return v.review
}
