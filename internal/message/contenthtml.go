package message

import (
	"errors"
	"strings"
)

// contentHTML returns the text of an HTML page: what is left without its tags,
// comments and style sheets, with a blank where a block begins or ends.
// Attributes are not text. The steps are those of docs/identity.md, section 6.4:
// what browsers and other programs would not read alike has no text.
func contentHTML(source string) (string, error) {
	p := contentPage{rest: source}
	for p.rest != "" {
		at := strings.IndexByte(p.rest, '<')
		if at < 0 {
			at = len(p.rest)
		}
		if err := p.words(p.rest[:at]); err != nil {
			return "", err
		}
		if p.rest = p.rest[at:]; p.rest == "" {
			break
		}
		if err := p.markup(); err != nil {
			return "", err
		}
	}
	if strings.ContainsFunc(p.out.String(), isContentControl) {
		return "", errors.New("a character reference stands for a control character")
	}
	return p.out.String(), nil
}

// contentPage reads a page from its beginning to its end.
type contentPage struct {
	rest string // what is not yet read
	out  strings.Builder
}

// markup reads what begins with "<".
func (p *contentPage) markup() error {
	next := byte(0)
	if len(p.rest) > 1 {
		next = p.rest[1]
	}
	switch {
	case isLetter(next):
		return p.start()
	case next == '/':
		if len(p.rest) < 3 || !isLetter(p.rest[2]) {
			return errors.New("an end tag has no name")
		}
		name, err := p.tag(2)
		p.breakAt(name)
		return err
	case next == '!':
		return p.declaration()
	case next == '?':
		return p.drop(">")
	}
	p.out.WriteByte('<')
	p.rest = p.rest[1:]
	return nil
}

// declaration reads a comment or a document type.
func (p *contentPage) declaration() error {
	if !strings.HasPrefix(p.rest, "<!--") {
		if len(p.rest) < 9 || !strings.EqualFold(p.rest[:9], "<!doctype") {
			return errors.New("a page has a declaration that is no comment")
		}
		return p.drop(">")
	}
	if strings.HasPrefix(p.rest, "<!-->") || strings.HasPrefix(p.rest, "<!--->") {
		return errors.New("a comment ends in more than one way")
	}
	text := p.rest
	if err := p.drop("-->"); err != nil {
		return err
	}
	text = text[:len(text)-len(p.rest)]
	switch {
	case strings.Contains(text, "--!>"):
		return errors.New("a comment ends in more than one way")
	case strings.Contains(lowerASCII(text), "[if"):
		return errors.New("a comment is shown by some programs (conditional comment)")
	}
	return nil
}

// drop removes all up to the end of mark.
func (p *contentPage) drop(mark string) error {
	_, rest, ok := strings.Cut(p.rest, mark)
	if !ok {
		return errors.New("a comment or declaration has no end")
	}
	p.rest = rest
	return nil
}

// start reads a start tag, and with it the text of an element that is dropped.
func (p *contentPage) start() error {
	name, err := p.tag(1)
	switch {
	case err != nil:
		return err
	case contentOpaque[name]:
		return errors.New("an element is read in more than one way: " + name)
	}
	p.breakAt(name)
	if !contentDropped[name] {
		return nil
	}
	for {
		at := strings.Index(p.rest, "</")
		if at < 0 {
			return errors.New("an element has no end: " + name)
		}
		if name == "script" && strings.Contains(p.rest[:at], "<!--") {
			return errors.New("a script holds a comment")
		}
		p.rest = p.rest[at:]
		end := 2 + len(name)
		if len(p.rest) > end && strings.EqualFold(p.rest[2:end], name) && isTagEnd(p.rest[end]) {
			return nil
		}
		p.rest = p.rest[2:]
	}
}

// breakAt writes a blank where an element begins or ends that parts words.
func (p *contentPage) breakAt(name string) {
	if contentBlocks[name] {
		p.out.WriteByte(' ')
	}
}

// tag removes a tag whose name begins at octet n, and returns the name.
func (p *contentPage) tag(n int) (name string, err error) {
	s := p.rest
	at := n
	for at < len(s) && !isTagEnd(s[at]) {
		at++
	}
	name = lowerASCII(s[n:at])
	for { // one attribute in each round
		for at < len(s) && (isBlank(s[at]) || s[at] == '/') {
			at++
		}
		if at == len(s) {
			return name, errors.New("a tag has no end")
		}
		if s[at] == '>' {
			p.rest = s[at+1:]
			return name, nil
		}
		at++ // the first character of a name may be "="
		for at < len(s) && !isTagEnd(s[at]) && s[at] != '=' {
			at++
		}
		at = attributeValue(s, at)
	}
}

// attributeValue returns the end of the value that may follow an attribute's
// name, whose end is at.
func attributeValue(s string, at int) int {
	blanks := func(i int) int {
		for i < len(s) && isBlank(s[i]) {
			i++
		}
		return i
	}
	if i := blanks(at); i < len(s) && s[i] == '=' {
		at = blanks(i + 1)
	} else {
		return at
	}
	if at < len(s) && (s[at] == '"' || s[at] == '\'') {
		n := strings.IndexByte(s[at+1:], s[at])
		if n < 0 {
			return len(s)
		}
		return at + n + 2
	}
	for at < len(s) && !isBlank(s[at]) && s[at] != '>' {
		at++
	}
	return at
}

func isBlank(c byte) bool  { return c == ' ' || c == '\t' || c == '\n' || c == '\f' || c == '\r' }
func isTagEnd(c byte) bool { return isBlank(c) || c == '/' || c == '>' }
func isLetter(c byte) bool { return c|0x20 >= 'a' && c|0x20 <= 'z' }

// lowerASCII leaves all other letters alone.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'A' && r <= 'Z' {
			r |= 0x20
		}
		return r
	}, s)
}

var (
	// contentBlocks part words: a blank stands for their start and their end.
	contentBlocks = set("address article aside blockquote body br caption center dd details dialog dir div dl dt " +
		"fieldset figcaption figure footer form h1 h2 h3 h4 h5 h6 head header hgroup hr html legend li main menu " +
		"nav ol optgroup option p pre section summary table tbody td tfoot th thead title tr ul")
	// contentDropped hold text that is not shown, and no tags.
	contentDropped = set("script style title")
	// contentOpaque are all others that change how what follows is cut into
	// tags (HTML, section 13.2), or do so in some programs.
	contentOpaque = set("frameset iframe math noembed noframes noscript plaintext select svg template textarea xmp")
)
