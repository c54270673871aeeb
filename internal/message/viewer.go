package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

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
	reported := map[[2]string]bool{} // hidden text, once for each reason in a part
	for _, d := range v.shown {
		if d.page != nil && v.covered[d.page] && !v.marked[d.page] && d.Kind != SegmentOutside {
			continue
		}
		r.Segments = append(r.Segments, d.Segment)
		switch d.Kind {
		case SegmentHidden:
			if reason := [2]string{d.Part, d.Note}; !reported[reason] {
				reported[reason] = true
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
