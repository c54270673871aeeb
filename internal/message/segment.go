package message

// SegmentKind says what a segment of the approver's view is.
type SegmentKind string

// The kinds of a segment.
const (
	// SegmentText is text of a text part that mail programs show.
	SegmentText SegmentKind = "text"
	// SegmentHTML is text of an HTML part that every program shows as running
	// text. Note says what else may bear on the whole page, such as a style sheet.
	SegmentHTML SegmentKind = "html"
	// SegmentHidden is text that is in the mail and that some or all mail
	// programs do not show, or do not show as running text, as if it were struck
	// out. Note says why: the element, attribute or style.
	SegmentHidden SegmentKind = "hidden"
	// SegmentAttached begins an attached message: Text holds the fields of it
	// that mail programs show, one a line; Depth counts the message itself.
	SegmentAttached SegmentKind = "attached"
	// SegmentOutside is text outside the MIME parts or that is no header field.
	SegmentOutside SegmentKind = "outside"
	// SegmentReading is what other mail programs make of a field or a part that
	// is read in more than one way. Note names the field or the difference.
	SegmentReading SegmentKind = "reading"
)

// Segment is a stretch of what an approver must see. What it is stands in its
// fields, never in its text, so that no text of a mail can pass for another
// kind. Text and Note are decoded and neutralised.
type Segment struct {
	Kind  SegmentKind
	Part  string // path of the MIME part, "" where there is none
	Depth int    // number of attached messages around it; 0 in the mail itself
	Note  string
	Text  string
}
