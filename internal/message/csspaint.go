package message

import "slices"

// inlineWords are the values of display that do not make a block.
var inlineWords = set("inline contents ruby ruby-text initial unset")

// shownWords are the values of display that draw what is inside.
var shownWords = set("block inline inline-block table inline-table table-row table-cell table-row-group " +
	"table-header-group table-footer-group table-caption list-item flex inline-flex grid inline-grid flow-root box " +
	"inline-box revert initial unset")

// holdingWords are those that keep what floats inside.
var holdingWords = set("inline-block table inline-table table-cell table-caption flex inline-flex grid inline-grid " +
	"flow-root")

// paint judges the colours of letters and of what is behind them.
func (l *look) paint(s style) {
	inline, outside := l.inline(s), l.outside(s)
	around, before := l.fg, l.bg
	l.fg = l.shades(s, "color", l.fg, func(v string) ([]shade, bool) {
		switch v {
		case "inherit", "unset", "currentcolor":
			return l.outer, true
		case "revert", "revert-layer": // a link has a colour of its own
			return slices.Concat(l.outer, around), true
		case "initial", "canvastext":
			return []shade{{black, 1}}, true
		}
		c, ok := parseShade(v)
		return []shade{c}, ok
	})
	l.fill = l.shades(s, "text-fill-color", l.fill, func(v string) ([]shade, bool) {
		if v == "currentcolor" || v == "initial" {
			return l.fg, true
		}
		c, ok := parseShade(v)
		return []shade{c}, ok
	})
	l.background(s)
	l.fitInk(s, before)
	if len(l.bg) > maxShades || len(l.fg) > maxShades {
		l.lose("more colours than are judged")
		l.bg, l.fg = l.bg[:1], l.fg[:1]
	}
	if !inline {
		l.block = l.bg
	}
	holds := holding[l.tag] && s["display"] == nil || s.may("display", func(v string) bool { return holdingWords[v] })
	if outside || holds && !inline {
		l.below = nil
	}
}

// otherBlocks are the blocks that only a reader of a page meets, and holding are the
// elements that keep what floats inside.
var (
	otherBlocks = set("html body form fieldset details summary dir menu hgroup legend option search listing xmp " +
		"plaintext dialog")
	holding = set("html table caption td th button fieldset")
)

// begin judges what is behind an element before it sets anything itself.
func (l *look) begin(s style) {
	if !l.inline(s) || s["display"] != nil {
		l.bg = unite(l.bg, l.block...) // what is inline around a block is not painted behind it
	}
	if l.outside(s) {
		l.bg = unite(l.bg, l.below...)
	}
}

// fitInk judges letters that are higher than what is painted behind them in their line.
func (l *look) fitInk(s style, before []colour) {
	switch {
	case !l.inline(s):
		l.inkSize = 0
	case !slices.Equal(before, l.bg):
		l.inkSize = l.size
	case l.inkSize > 0 && l.size > 1.3*l.inkSize:
		l.bg = unite(l.bg, l.block...)
	}
}

// inline reports whether an element is no block.
func (l *look) inline(s style) bool {
	inline := !blocks[l.tag] && !otherBlocks[l.tag]
	s.each("display", func(v string) { inline = inline && v == "" || inlineWords[v] })
	return inline
}

// outside reports whether an element may stand outside of those around it.
func (l *look) outside(s style) bool {
	return l.floats || s.may("float", isAfloat) ||
		s.may("position", func(v string) bool { return v == "absolute" || v == "fixed" })
}

func isAfloat(v string) bool { return v != "none" && v != "initial" && v != "unset" }

// shades returns the colours that a property may give to letters, which had some before.
func (l *look) shades(s style, name string, had []shade, read func(string) ([]shade, bool)) []shade {
	if s[name] == nil {
		return had
	}
	var out []shade
	s.each(name, func(v string) {
		add, ok := had, true
		if v != "" {
			add, ok = read(v)
		}
		if !ok {
			l.unread(name)
			return
		}
		for _, c := range add {
			if !slices.Contains(out, c) {
				out = append(out, c)
			}
		}
	})
	return out
}

// unite adds the colours that are not there.
func unite(to []colour, add ...colour) []colour {
	to = slices.Clip(to)
	for _, c := range add {
		if !slices.Contains(to, c) {
			to = append(to, c)
		}
	}
	return to
}

// background judges what is painted behind the letters: colours, and gradients over all
// of the box. An image is none: it is not fetched, and who reads the mail may not have it
// either.
func (l *look) background(s style) {
	under := l.bg
	if s["background-color"] != nil {
		var out []colour
		s.each("background-color", func(v string) {
			switch c, ok := parseShade(v); {
			case v == "" || v == "initial" || v == "unset" || v == "revert" || v == "revert-layer":
				out = unite(out, under...)
			case ok:
				for _, b := range under {
					out = unite(out, c.over(b))
				}
			default:
				out = unite(out, under...)
				l.unread("background-color")
			}
		})
		l.bg = out
	}
	if s["background-image"] != nil {
		var out []colour
		s.each("background-image", func(v string) { out = unite(out, l.image(s, v)...) })
		l.bg = out
	}
	if !slices.Equal(under, l.bg) {
		l.below = unite(l.below, under...)
	}
}

// image returns what is behind the letters with one value of background-image.
func (l *look) image(s style, v string) []colour {
	if v == "" || v == "none" || cssWide[v] && v != "inherit" || v == "url()" || v == `url("")` {
		return l.bg
	}
	stops, ok := gradientStops(v)
	if !isGradient(v) || !ok || !paintedFully(s) {
		l.unread("background-image")
		return l.bg
	}
	var out []colour
	for _, c := range stops {
		for _, b := range l.bg {
			out = unite(out, c.over(b))
		}
	}
	return out
}

// paintedFully reports whether an image of a background fills its box.
func paintedFully(s style) bool {
	full := true
	for name, values := range fullValues {
		s.each(name, func(v string) { full = full && (v == "" || values[v]) })
	}
	return full
}

var fullValues = map[string]map[string]bool{
	"background-size": set("cover auto initial 100%"), "background-position": set("center top left right bottom 0 0% 50%"),
	"background-position-x": set("center left right 0 0% 50%"), "background-position-y": set("center top bottom 0 0% 50%"),
	"background-repeat": set("repeat no-repeat initial"), "background-origin": set("padding-box border-box initial"),
	"background-attachment": set("scroll initial"),
}

// drawn judges whether an element is drawn at all.
func (l *look) drawn(s style) {
	s.each("display", func(v string) {
		switch {
		case v == "none":
			l.lose("display")
		case v != "" && !shownWords[v]:
			l.unread("display")
		}
	})
	least := 1.0
	s.each("opacity", func(v string) {
		n, ok := portion(v)
		switch {
		case v == "" || v == "initial" || v == "unset" || v == "revert" || v == "revert-layer":
		case !ok:
			l.unread("opacity")
		default:
			least = min(least, n)
		}
	})
	if l.alpha *= least; l.alpha < leastAlpha {
		l.lose("opacity")
	}
	s.each("z-index", func(v string) {
		n, unit, ok := splitValue(v)
		switch {
		case v == "" || v == "auto" || v == "initial" || v == "unset":
		case !ok || unit != "" || n != float64(int(n)):
			l.unread("z-index")
		case n < 0:
			l.lose("behind the page")
		}
	})
}
