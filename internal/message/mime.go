package message

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/multimail/multimail/mail"
)

// entity is one node of the MIME tree. Its slices point into the message, so
// that cutting costs one pass for each level of nesting, and both the limits of
// Read and the approver's view rest on the same cut.
type entity struct {
	path        string     // "1.2" as IMAP counts; "" for a root with parts
	fields      []field    // of its header
	kind        string     // media type in lower case
	typ         *paramList // Content-Type, nil without one
	disposition *paramList // Content-Disposition, nil without one
	encoding    string     // Content-Transfer-Encoding in lower case
	plainToo    bool       // some programs overlook the encoding
	body        []byte     // not decoded
	outside     [][]byte   // text between the parts: preamble, epilogue, lines that are no field
	stray       []byte     // lines of its header that are no field
	parts       []*entity  // of a multipart, or the one message in a message/rfc822
	odd         string     // why two readers may see two different things here

	decoded bool   // data and damage are set
	data    []byte // body without its transfer encoding
	damage  string // why data is not the whole
}

// cutter cuts a message into entities and counts them.
type cutter struct {
	count int
	left  *budget
	over  *mail.Error // which limit was passed, nil for none
}

// checkBoundaries refuses a boundary that holds a blank: a signature in relaxed
// form takes any run of blanks for one (RFC 6376, section 3.4), so that the same
// signed octets could be cut at other lines on their way.
func (e *entity) checkBoundaries() error {
	if strings.HasPrefix(e.kind, "multipart/") && strings.ContainsAny(e.typ.first("boundary"), " \t") {
		return mail.ReasonContent.Errorf("a MIME boundary holds a blank; use letters and digits")
	}
	for _, p := range e.parts {
		if err := p.checkBoundaries(); err != nil {
			return err
		}
	}
	return nil
}

// parseMIME cuts raw into its tree within what is left. Past a limit the rest
// stays uncut, and over says so in words for the client.
func parseMIME(raw []byte, left *budget) (root *entity, over *mail.Error) {
	c := &cutter{left: left}
	root = c.cut(raw, "", "text/plain", 0)
	return root, c.over
}

// pass notes the first limit that was passed.
func (c *cutter) pass(l mail.Limit, format string, args ...any) {
	if c.over == nil {
		c.over = mail.ReasonContent.Errorf(format, args...).Over(l)
	}
}

// spent notes that the budget does not allow to cut further.
func (c *cutter) spent() {
	c.pass(mail.LimitMessageWork, "the message takes too much work to decode; nest or encode its parts less often")
}

// cut makes the entity whose header and body are data.
func (c *cutter) cut(data []byte, path, kind string, depth int) *entity {
	header, body := SplitHeader(data)
	e := &entity{path: path, kind: kind, body: body}
	if len(header) > MaxHeader {
		header = header[:MaxHeader]
		e.note("its header is too long")
	}
	if depth == 0 { // Read judges the fields of the message itself
		e.fields = scanFields(header)
	} else {
		e.fields = scanSome(header, MaxFields+1)
		e.limitFields()
	}
	e.readType(header, c.left)
	c.count++
	switch {
	case c.over != nil:
	case depth > MaxDepth:
		c.pass(mail.LimitMIMEDepth, "MIME parts are nested more than %d levels deep", MaxDepth)
	case c.count > MaxParts:
		c.pass(mail.LimitMIMEParts, "more than %d MIME parts", MaxParts)
	case strings.HasPrefix(e.kind, "multipart/"):
		c.cutParts(e, depth)
	case e.kind == "message/rfc822" || e.kind == "message/global":
		c.cutMessage(e, depth)
	}
	if c.over != nil {
		e.note(c.over.Public)
	}
	return e
}

// limitFields keeps of the header of a part what a message may have.
func (e *entity) limitFields() {
	kept := e.fields[:0]
	for _, f := range e.fields {
		switch {
		case len(kept) == MaxFields:
			e.note("its header has too many fields")
		case f.tooLong(len(kept)) != nil:
			e.note("a field of its header is too long")
		default:
			kept = append(kept, f)
		}
	}
	e.fields = kept
}

// cutMessage cuts the message that is the body of e.
func (c *cutter) cutMessage(e *entity, depth int) {
	data, why := e.decode(c.left)
	if why == whyWork {
		c.spent()
		return
	}
	e.note(why)
	if maxDecoded(e.encoding, e.body) > 0 {
		// The lines of what was encoded may end with LF alone.
		if bare := bytes.Count(data, []byte("\n")) - bytes.Count(data, []byte("\r\n")); bare > 0 {
			if !c.left.build(len(data) + bare) {
				c.spent()
				return
			}
			data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
			data = bytes.ReplaceAll(data, []byte("\n"), []byte("\r\n"))
		}
	}
	e.parts = []*entity{c.cut(data, subPath(e.path, 1), "text/plain", depth+1)}
}

// cutParts cuts the body of a multipart into its parts.
func (c *cutter) cutParts(e *entity, depth int) {
	kind := "text/plain"
	if e.kind == "multipart/digest" {
		kind = "message/rfc822" // RFC 2046, section 5.1.5
	}
	switch e.encoding {
	case "", "7bit", "8bit", "binary":
	default:
		e.note("a multipart must not have a transfer encoding")
	}
	boundary := e.typ.first("boundary")
	switch len(e.typ.values("boundary")) {
	case 0:
		e.note("it has no boundary")
		return
	case 1:
	default: // readType has noted it; uncut, all of it is shown
		return
	}
	if len(boundary) > 70 || strings.Trim(boundary, " ") != boundary {
		e.note("its boundary is malformed")
	}
	for _, c := range []byte(boundary) { // RFC 2046, section 5.1.1
		if !mail.IsAlnum(c) && strings.IndexByte("'()+_,-./:=? ", c) < 0 {
			e.note("its boundary is malformed")
			break
		}
	}
	if !c.left.scan(len(e.body)) {
		c.spent()
		return
	}
	parts, outside, why := splitParts(e.body, boundary)
	e.note(why)
	e.outside = append(e.outside, outside...)
	for i, data := range parts {
		if c.over != nil {
			return
		}
		e.parts = append(e.parts, c.cut(data, subPath(e.path, i+1), kind, depth+1))
	}
}

func subPath(path string, n int) string {
	if path == "" {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%s.%d", path, n)
}

// splitParts cuts a multipart body at its boundary lines (RFC 2046, section
// 5.1.1). The CRLF before a boundary line belongs to the boundary. It stops
// when there are more parts than a message may have.
func splitParts(body []byte, boundary string) (parts, outside [][]byte, why string) {
	delim := []byte("--" + boundary)
	start := -1 // of the part under way
	for pos := 0; ; {
		i := bytes.Index(body[pos:], delim)
		if i < 0 {
			break
		}
		i += pos
		line := body[i:]
		pos = len(body)
		if n := bytes.IndexByte(line, '\n'); n >= 0 {
			line, pos = line[:n], i+n+1
		}
		if i > 0 && body[i-1] != '\n' {
			continue
		}
		rest := string(bytes.TrimRight(line[len(delim):], " \t\r"))
		if rest != "" && rest != "--" {
			if rest[0] == ' ' || rest[0] == '\t' || strings.HasPrefix(rest, "--") {
				why = "a line looks like a boundary and is none"
			}
			continue
		}
		if start < 0 {
			outside = append(outside, body[:i])
		} else {
			parts = append(parts, body[start:max(start, i-2)])
			if len(parts) > MaxParts {
				return parts, outside, why
			}
		}
		start = pos
		if rest == "--" {
			return parts, append(outside, body[pos:]), why
		}
	}
	if start < 0 {
		return nil, nil, "its boundary never appears"
	}
	return append(parts, body[start:]), outside, "its last boundary is missing"
}

// readType reads the fields that say what the entity is, and notes in odd
// where readers would disagree about them.
func (e *entity) readType(header []byte, left *budget) {
	var stray []byte // lines that are no field: some readers show them
	for len(header) > 0 {
		f := field{raw: firstField(header)}
		header = header[len(f.raw):]
		if why := f.malformed(); why != "" && why != errEightBit {
			e.note("its header is malformed")
			if left.build(len(f.raw)) {
				stray = append(stray, f.raw...)
			}
		}
	}
	if len(stray) > 0 {
		e.outside = append(e.outside, stray)
		e.stray = stray
	}
	seen := map[string]bool{}
	for _, f := range e.fields {
		name := strings.ToLower(f.name)
		if seen[name] && strings.HasPrefix(name, "content-") {
			e.note("it has more than one " + f.name + " field")
			continue // go with the first, as most readers do
		}
		seen[name] = true
		switch name {
		case "content-type":
			e.readContentType(f.value(), left)
		case "content-disposition":
			e.disposition = e.readParams(f.value(), "Content-Disposition", left)
		case "content-transfer-encoding":
			var clear bool
			if e.encoding, clear = readEncoding(f.value()); !clear {
				e.plainToo = true
				e.note("its Content-Transfer-Encoding is read in more than one way")
			}
		}
	}
}

// readContentType reads the media type. One without exactly one slash counts
// as text/plain (RFC 2045, section 5.2).
func (e *entity) readContentType(value string, left *budget) {
	e.typ = e.readParams(value, "Content-Type", left)
	if kind, sub, _ := strings.Cut(e.typ.value, "/"); isToken(kind) && isToken(sub) {
		e.kind = e.typ.value
	} else {
		e.note("its Content-Type is malformed")
		e.kind = "text/plain"
	}
}

// readParams reads a field with parameters, and notes what readers take
// differently in it.
func (e *entity) readParams(value, field string, left *budget) *paramList {
	list := parseParams(value)
	if !left.build(list.size()) {
		e.note(whyWork)
		return &paramList{value: list.value, malformed: true}
	}
	if list.malformed {
		e.note("its " + field + " is malformed")
	}
	switch name := list.unclear(); name {
	case "":
	case "charset", "boundary":
		e.note("its " + name + " is read in more than one way")
	case "filename", "name":
		e.note("its file name is read in more than one way")
	default:
		e.note("its " + field + " is read in more than one way")
	}
	return list
}

// note keeps the first reason for which the entity is odd.
func (e *entity) note(why string) {
	if e.odd == "" {
		e.odd = why
	}
}

// field returns the value of the first field of that name; name is in lower case.
func (e *entity) field(name string) string {
	for _, f := range e.fields {
		if f.is(name) {
			return f.value()
		}
	}
	return ""
}

// isText reports whether the entity's octets are text that readers show as it
// stands. A container that could not be cut is shown that way too.
func (e *entity) isText() bool {
	return strings.HasPrefix(e.kind, "text/") && e.kind != "text/html" ||
		strings.HasPrefix(e.kind, "multipart/") || strings.HasPrefix(e.kind, "message/")
}

// shown reports whether a reader shows the leaf's text in the mail itself.
func (e *entity) shown() bool {
	disposition, _, _ := strings.Cut(e.field("content-disposition"), ";")
	return (e.isText() || e.kind == "text/html") &&
		!strings.EqualFold(strings.TrimSpace(disposition), "attachment")
}

// attached reports whether a reader offers the leaf as a file.
func (e *entity) attached() bool { return !e.shown() || len(e.names()) > 0 }

// isMessage reports whether the entity is an attached message that was cut.
func (e *entity) isMessage() bool {
	return len(e.parts) > 0 && strings.HasPrefix(e.kind, "message/")
}
