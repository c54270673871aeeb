package message

import "strings"

// place judges where an element is drawn.
func (l *look) place(s style) {
	s.each("position", func(v string) {
		switch v {
		case "", "static", "initial", "unset":
		case "relative":
			l.offsets(s, farBeyond)
		case "absolute", "fixed", "sticky":
			l.offsets(s, leastWindow/2)
			l.covers("an element that is placed")
			for b := l.box; b != nil; b = b.outer {
				if b.clips {
					l.lose("position")
				}
			}
		default:
			l.unread("position")
			l.covers("position")
		}
	})
	s.each("float", func(v string) {
		switch v {
		case "", "none", "left", "right", "inline-start", "inline-end", "initial", "unset":
		default:
			l.unread("float")
		}
	})
	for _, side := range []string{"left", "right", "top", "bottom"} {
		l.margin(s, side)
		l.padding(s, side)
	}
}

// offsets judges how far a placed element is from where it would stand. beyond is out of sight.
func (l *look) offsets(s style, beyond float64) {
	for _, side := range []string{"left", "right", "top", "bottom"} {
		most := float64(mostRise)
		if side == "left" || side == "right" {
			most = mostShift
		}
		s.each(side, func(v string) {
			px, ok := reach(v, l.size, screenWidth)
			switch {
			case v == "" || v == "auto" || v == "initial" || v == "unset":
			case !ok:
				l.unread(side)
				l.covers(side)
			case px <= -farAway || px >= beyond:
				l.lose("position")
			}
			switch side {
			case "left":
				l.left += px
			case "right":
				l.left -= px
			default:
				l.rise += max(px, -px)
			}
			if px > most || px < -most || l.rise > mostRise {
				l.covers("an element that is placed")
			}
		})
	}
}

// margin judges the space around an element.
func (l *look) margin(s style, side string) {
	s.each("margin-"+side, func(v string) {
		px, ok := reach(v, l.size, screenWidth)
		across := side == "left" || side == "right"
		switch {
		case v == "" || v == "auto" || cssWide[v] && v != "inherit":
			return
		case !ok:
			l.unread("margin-" + side)
			l.covers("margin-" + side)
		case px <= -farAway || px >= farBeyond || across && px > leastWindow/2:
			l.lose("position")
		}
		if px < -mostRise && !across || px < -mostShift {
			l.covers("a margin below zero")
		}
		l.span(side, px)
	})
}

// padding judges the space inside of an element.
func (l *look) padding(s style, side string) {
	s.each("padding-"+side, func(v string) {
		px, ok := reach(v, l.size, screenWidth)
		switch {
		case v == "" || cssWide[v] && v != "inherit":
			return
		case !ok || px < 0:
			l.unread("padding-" + side)
		case px >= farBeyond || (side == "left" || side == "right") && px > leastWindow/2:
			l.lose("position")
		case (side == "top" || side == "bottom") && px > mostRise && l.inline(s):
			l.spills = true
		}
		if l.span(side, px); side == "top" {
			l.spans.inner += px
		}
	})
}

// span adds a distance that an element sets.
func (l *look) span(side string, px float64) {
	switch side {
	case "left":
		l.left += px
		l.spans.across += px
	case "right":
		l.right += max(px, 0)
		l.spans.across += px
	case "top":
		l.spans.before += max(px, 0)
	case "bottom":
		l.spans.after += max(px, 0)
	}
}

// box is an element that cuts what does not fit, or has a height that it may run out of.
type box struct {
	outer    *box
	clips    bool
	bounded  bool    // it has a height
	said     bool    // there is text in it
	squeezed bool    // what stands beside it may take its room
	high     float64 // its height
	room     float64 // of that which is left
	width    float64 // of lines that break
	wide     float64 // of lines that do not
	left     float64 // where it begins
}

// use takes a height from a box and from those around it.
func (b *box) use(px func(width float64) float64) {
	for ; b != nil; b = b.outer {
		if b.bounded {
			b.room -= px(b.width)
		}
	}
}

// fits says why a text is not seen in a box, or "". line is the length of its line so far, and
// word that of its longest word. runsOut is set when it goes on outside.
func (b *box) fits(l *look, line, word float64) (why string, runsOut bool) {
	for ; b != nil; b = b.outer {
		b.said = true
		across := l.nowrap && line > b.wide || word > b.wide || l.left-b.left > b.wide-leastWide/2
		down := b.bounded && b.room < 0
		if b.clips && (across || down) {
			return "size of the box", false
		}
		tight := b.bounded || l.nowrap || b.squeezed || b.wide < unknownWidth
		runsOut = runsOut || across || down || b.clips && tight
	}
	return "", runsOut
}

// unknownWidth is that of a box which does not say it, in pixels: that of a phone.
const unknownWidth = 300

// room judges the size of an element, with whether it shows what does not fit.
func (l *look) room(s style) {
	clips := false
	for _, name := range []string{"overflow-x", "overflow-y"} {
		clips = clips || s.may(name, func(v string) bool { return v != "visible" && v != "initial" && v != "unset" })
	}
	high, low := l.bound(s, "height", "max-height"), l.floor(s, "height")
	wide, narrow := l.bound(s, "width", "max-width"), l.floor(s, "width")
	l.spans.height = max(high, low)
	broad := l.most(s, "width", "min-width")
	if l.most(s, "height", "min-height") > farBeyond || broad > leastWindow {
		l.lose("size of the box")
		l.covers("an element that is larger than the window")
	}
	for b := l.box; b != nil; b = b.outer {
		if b.clips && broad > b.wide {
			l.covers("text that does not fit its box")
		}
	}
	l.fixed = l.fixed || s.may("table-layout", func(v string) bool { return v != "auto" && v != "initial" })
	if growing[l.tag] && s["display"] == nil {
		if l.fixed && wide >= 0 && wide < leastWide {
			l.lose("size of the box")
		}
		high, wide = -1, l.bound(s, "max-width")
	}
	if high >= 0 {
		high = max(high, low)
	}
	part := 1.0
	s.each("width", func(v string) {
		if n, unit, ok := splitValue(v); ok && unit == "%" && n >= 0 {
			part = min(part, n/100)
		}
	})
	l.wide = part * max(l.wide-max(l.spans.across, 0), 0)
	if wide >= 0 {
		wide = max(wide, narrow)
		l.wide = wide
	}
	if clips && (high >= 0 && high < leastBox || l.wide < leastWide) {
		l.lose("size of the box")
	}
	if high < 0 && wide < 0 && !clips {
		return
	}
	l.boxes++
	l.box = &box{outer: l.box, clips: clips, bounded: high >= 0, high: high, room: high - l.spans.inner, left: l.from,
		width: max(wide, 1), wide: l.wide, squeezed: l.inFlex || l.fixed}
	if wide < 0 {
		l.box.width = max(min(unknownWidth, l.wide), 1)
	}
}

// most returns the largest size that one of the properties may give.
func (l *look) most(s style, names ...string) (px float64) {
	for _, name := range names {
		s.each(name, func(v string) {
			n, _ := reach(v, l.size, leastWindow)
			px = max(px, n)
		})
	}
	return px
}

// growing are the parts of a table: what they set is the least height.
var growing = set("table caption tbody thead tfoot tr td th")

// bound returns the least height or width that properties may keep an element to, -1 if it
// grows with what is in it.
func (l *look) bound(s style, names ...string) (least float64) {
	least = -1
	for _, name := range names {
		s.each(name, func(v string) {
			n, unit, _ := splitValue(v)
			px, ok := length(v, l.size)
			switch {
			case v == "" || v == "auto" || v == "none" || cssWide[v] && v != "inherit" || sizeWords[v]:
				return
			case unit == "%" && l.box != nil && l.box.bounded && strings.HasSuffix(name, "height"):
				px, ok = n/100*l.box.high, true
			case unit == "%" && n >= leastPart: // of what grows
				return
			case unit == "vw" || unit == "vh" || unit == "vmin" || unit == "vmax":
				px, ok = 3*n, true
			}
			if !ok || px < 0 {
				px = 0
			}
			if least < 0 || px < least {
				least = px
			}
		})
	}
	return least
}

// floor returns the least height or width that an element has in any case.
func (l *look) floor(s style, side string) float64 {
	least := -1.0
	s.each("min-"+side, func(v string) {
		n, unit, _ := splitValue(v)
		px, ok := length(v, l.size)
		if unit == "%" && n >= leastPart && side == "width" {
			px, ok = unknownWidth, true
		}
		if !ok {
			px = 0
		}
		if least < 0 || px < least {
			least = px
		}
	})
	return max(least, 0)
}

// leastPart is a part of the box around, in percent, that text is read in.
const leastPart = 20

// sizeWords are sizes that grow with what is in a box.
var sizeWords = set("max-content min-content fit-content stretch -webkit-fill-available -moz-available " +
	"-webkit-max-content -moz-max-content")
