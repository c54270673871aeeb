package message

import (
	"slices"
	"strings"
)

// look is how a person sees the text of an element, in the worst of the cases that its
// styles leave open. A style that is not understood, of a property that can hide, hides.
type look struct {
	gone   string // why nothing inside is seen, whatever it sets itself
	cover  string // what of the element itself may lie over something else
	unseen bool   // visibility, which an element inside may set anew

	fg, outer []shade  // of letters: of this element, of the one around
	fill      []shade  // of letters in programs that know -webkit-text-fill-color; none: as fg
	bg        []colour // behind letters
	block     []colour // behind blocks in this one, where it is none itself
	below     []colour // behind what floats out of the blocks around
	beside    []colour // behind the caption of a table
	alpha     float64  // of all elements around together

	size           float64 // of letters in pixels
	line           height  // of lines
	indent         float64 // of a first line
	letters, words float64 // between them
	symbols        bool    // the letters are those of a font of symbols
	pre, nowrap    bool    // white space counts; lines do not break
	left, right    float64 // what is beside it on both sides
	from           float64 // where its box begins
	wide           float64 // what it may be wide
	outerSize      float64 // of letters around
	fixed          bool    // it is in a table that does not grow with what is in it
	box            *box    // the innermost one with a height
	boxes          int     // boxes around
	flex, inFlex   bool    // what is inside shares the room of this element; this one does
	rise           float64 // by which elements around are moved up or down
	spills         bool    // it paints beyond its lines
	inkSize        float64 // of letters of the inline element that has painted behind these; 0: none
	spans          spans   // of this element alone
	tag            string  // of this element
	floats         bool    // an attribute lets this element float
}

// height is that of a line, in pixels or as a part of the size of its letters.
type height struct{ px, part float64 }

func (h height) of(size float64) float64 { return h.px + h.part*size }

// spans are the distances that an element sets in pixels.
type spans struct{ before, inner, after, across, height float64 }

// plainLook is that of text which nothing styles.
func plainLook() look {
	on := []colour{white}
	ink := []shade{{black, 1}}
	return look{fg: ink, outer: ink, bg: on, block: on, alpha: 1, size: normalSize, outerSize: normalSize,
		line: height{part: normalLine}, wide: screenWidth}
}

// What text is not read under, or beyond. Distances are in pixels.
const (
	normalLine = 1.2  // height of a line as a part of the size of letters
	leastLine  = 0.75 // height of a line as a part of the size of letters
	leastSize  = 5    // of letters
	mostSize   = 400  // of letters
	leastBox   = 5    // height of a box that shows only what is in it
	leastWide  = 40   // width of such a box
	leastAlpha = 0.15 // of text, or of a box
	farAway    = 100  // to the left or upwards
	farBeyond  = 3000 // to the right or down
	mostShift  = 20   // to a side, for what may lie over something else
	mostSpace  = 900  // beside text
	mostRise   = 5    // up or down
	maxShades  = 16   // colours of one text that are judged
)

// hidden says why text is not seen, or "".
func (l *look) hidden() string {
	switch {
	case l.gone != "":
		return l.gone
	case l.unseen:
		return "visibility"
	case l.size < leastSize || l.size > mostSize:
		return "size"
	case l.line.of(l.size) < l.size*leastLine || l.line.of(l.size) > max(10*normalSize, 4*l.size):
		return "height of the lines"
	case !l.inked():
		return "colour"
	case l.indent > 4*farAway || l.left+min(l.indent, 0) < -mostShift || l.left > mostSpace || l.right > mostSpace:
		return "position"
	case l.letters <= -l.size/4 || l.words <= -l.size/2 || l.letters > 3*l.size || l.words > 10*l.size:
		return "space between letters"
	case l.symbols:
		return "a font of symbols"
	}
	return ""
}

// inked reports whether every colour that the text may have is seen on every
// background that it may stand on.
func (l *look) inked() bool {
	for _, fg := range slices.Concat(l.fg, l.fill) {
		fg.alpha *= l.alpha
		for _, bg := range l.bg {
			if fg.alpha < leastAlpha || contrast(fg.over(bg), bg) < minSeen {
				return false
			}
		}
	}
	return true
}

// lose notes why nothing inside is seen.
func (l *look) lose(why string) {
	if l.gone == "" {
		l.gone = why
	}
}

// covers notes what may put the element over another one.
func (l *look) covers(why string) {
	if l.cover == "" {
		l.cover = why
	}
}

// unread notes a value that is not understood.
func (l *look) unread(name string) { l.lose("a style that is not judged: " + name) }

// styleOf gathers what styles e. enough is as in matching.
func (c *cascade) styleOf(e *tagged, around []*tagged, own string) (s style, enough bool) {
	if c.work -= len(own); c.work < 0 {
		return nil, false
	}
	s = style{}
	enough = c.matching(e, around, func(r *cssRule, sure bool) {
		for _, d := range r.decls {
			s.put(d, r.selector.weight.value()<<weightOrder+r.order, sure)
		}
	})
	if own != "" {
		for _, d := range parseDeclarations(own) {
			s.put(d, weightInline, true)
		}
	}
	return s, enough
}

// flexWords are the values of display whose elements share out their room.
var flexWords = set("flex inline-flex grid inline-grid box inline-box")

// apply changes l, which was inherited, by the style of an element.
func (l *look) apply(s style) {
	s.each(notJudged, func(name string) {
		if name != "" {
			l.unread(name)
			l.covers("a style that is not judged: " + name)
		}
	})
	s.each(notKnown, func(name string) {
		if name != "" {
			l.covers("a style that is not known") // its name is a stranger's word
		}
	})
	l.from = l.left
	l.inFlex, l.flex = l.flex, s.may("display", func(v string) bool { return flexWords[v] })
	l.spills = s.may(bordered, func(string) bool { return l.inline(s) })
	l.text(s)
	l.paint(s)
	l.drawn(s)
	l.place(s)
	l.room(s)
	if l.inline(s) && (l.spills || s["background-color"] != nil && l.line.of(l.size) < l.size) {
		l.covers("an element that is painted beyond its line")
	}
}

// text judges what styles letters.
func (l *look) text(s style) {
	least := -1.0
	s.each("font-size", func(v string) {
		px, ok := l.size, true
		if v != "" && v != "revert" && v != "revert-layer" {
			px, ok = fontPixels(v, l.outerSize)
		}
		if !ok {
			l.unread("font-size")
		}
		if px > mostSize {
			l.lose("size")
		}
		if least < 0 || px < least {
			least = px
		}
	})
	if least >= 0 {
		l.size = least
	}
	l.lines(s)
	l.unseenBy(s)
	l.indent = l.least(s, "text-indent", l.indent, screenWidth, 4*farAway)
	l.letters = l.least(s, "letter-spacing", l.letters, 0, 3*l.size)
	l.words = l.least(s, "word-spacing", l.words, 0, 10*l.size)
	s.each("white-space", func(v string) {
		switch v {
		case "", "inherit", "unset":
		case "normal", "initial", "pre-line":
			l.pre, l.nowrap = v == "pre-line", false
		case "pre-wrap", "break-spaces":
			l.pre, l.nowrap = true, false
		case "nowrap", "pre":
			l.pre, l.nowrap = v == "pre", true
		default:
			l.unread("white-space")
		}
	})
	s.each("font-family", func(v string) {
		if v != "" && v != "inherit" && v != "unset" {
			l.symbols = hasSymbols(v)
		}
	})
}

// symbolFonts begin the names of those of every office whose letters are pictures.
var symbolFonts = []string{"wingdings", "webdings", "symbol", "marlett", "zapf", "dingbats", "mt-extra",
	"bookshelf-symbol"}

// hasSymbols reports whether one of a list of fonts has pictures for letters.
func hasSymbols(v string) bool {
	for _, one := range strings.Split(v, ",") {
		one = strings.ReplaceAll(strings.Trim(one, `" `), " ", "-")
		if slices.ContainsFunc(symbolFonts, func(f string) bool { return strings.HasPrefix(one, f) }) {
			return true
		}
	}
	return false
}

// unseenBy judges visibility.
func (l *look) unseenBy(s style) {
	around, unseen := l.unseen, false
	s.each("visibility", func(v string) {
		switch v {
		case "", "inherit", "unset", "revert", "revert-layer":
			unseen = unseen || around
		case "hidden", "collapse":
			unseen = true
		case "visible", "initial":
		default:
			l.unread("visibility")
		}
		l.unseen = unseen
	})
}

// lines judges the height of lines.
func (l *look) lines(s style) {
	around := l.line
	var out []height
	s.each("line-height", func(v string) {
		n, unit, ok := splitValue(v)
		px, isLength := reach(v, l.size, l.size)
		switch {
		case v == "normal" || v == "initial":
			out = append(out, height{part: normalLine})
		case v == "" || cssWide[v]:
			out = append(out, around)
		case ok && unit == "" && n >= 0:
			out = append(out, height{part: n})
		case isLength && px >= 0:
			out = append(out, height{px: px})
		default:
			l.unread("line-height")
		}
	})
	for i, h := range out {
		if h.of(l.size) > max(10*normalSize, 4*l.size) {
			l.lose("height of the lines")
		}
		if i == 0 || h.of(l.size) < l.line.of(l.size) {
			l.line = h
		}
	}
}

// least returns the least length that a property may have. One above most is too far.
func (l *look) least(s style, name string, around, whole, most float64) (out float64) {
	out = around
	first := true
	s.each(name, func(v string) {
		px, ok := around, true
		switch v {
		case "", "inherit", "unset", "revert", "revert-layer":
		case "normal", "initial":
			px = 0
		default:
			px, ok = reach(v, l.size, whole)
		}
		if !ok || px > most {
			l.unread(name)
		}
		if first || px < out {
			out, first = px, false
		}
	})
	return out
}
