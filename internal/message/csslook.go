package message

import (
	"slices"
	"strings"
)

// look is how a person sees the text of an element.
type look struct {
	gone     string // why nothing inside is seen, whatever it sets itself
	unseen   bool   // visibility, which an element inside may set anew
	fg, fill shade  // fill: -webkit-text-fill-color, which counts if filled
	filled   bool
	bg       colour
	size     float64 // of the text in pixels
	indent   float64 // of a first line
	spacing  float64 // between letters
	pre      bool    // white space counts
}

// plainLook is that of text which nothing styles.
var plainLook = look{fg: shade{black, 1}, bg: white, size: normalSize}

// What text is not read under, or beyond.
const (
	leastSize  = 5    // pixels of a letter
	leastBox   = 5    // pixels of a box that shows only what is in it
	leastAlpha = 0.15 // of text, or of a box
	farAway    = 100  // pixels to the left or upwards
	farBeyond  = 3000 // pixels to the right or down
)

// hidden says why text is not seen, or "".
func (l look) hidden() string {
	fg := l.fg
	if l.filled {
		fg = l.fill
	}
	switch {
	case l.gone != "":
		return l.gone
	case l.unseen:
		return "visibility"
	case l.size < leastSize:
		return "size"
	case fg.alpha < leastAlpha || contrast(fg.over(l.bg), l.bg) < minSeen:
		return "colour"
	case l.indent <= -farAway || l.indent >= farBeyond:
		return "position"
	case l.spacing <= -l.size/4:
		return "letters on each other"
	}
	return ""
}

// lose notes why nothing inside is seen.
func (l *look) lose(why string) {
	if l.gone == "" {
		l.gone = why
	}
}

// seenProperties are those that may hide text, or show it again.
var seenProperties = set("display visibility opacity color -webkit-text-fill-color background background-color " +
	"background-image font font-size height max-height min-height width max-width min-width overflow overflow-x " +
	"overflow-y position left top right bottom inset margin margin-left margin-top margin-right text-indent clip " +
	"clip-path transform scale translate filter content-visibility z-index letter-spacing white-space mask mask-image " +
	"-webkit-mask -webkit-mask-image zoom -webkit-text-security rotate -webkit-clip-path")

// style is the value of each property that counts for one element.
type style map[string]weighed

type weighed struct {
	value  string
	weight int
}

const (
	weightInline    = 1 << 40
	weightImportant = 1 << 41
)

func (s style) put(d declaration, weight int) {
	if !seenProperties[d.name] {
		return
	}
	if d.important {
		weight += weightImportant
	}
	for _, p := range longhands(d) {
		if had, ok := s[p.name]; !ok || had.weight <= weight {
			s[p.name] = weighed{p.value, weight}
		}
	}
}

// longhands takes the shorthands apart whose parts are judged.
func longhands(d declaration) []declaration {
	one := func(name, value string) declaration { return declaration{name: name, value: value} }
	switch d.name {
	case "font":
		for _, w := range strings.Fields(d.value) {
			size, _, _ := strings.Cut(w, "/")
			if n, unit := splitNumber(size); n >= 0 && (unit != "" || n == 0) {
				return []declaration{one("font-size", size)}
			}
		}
		return nil
	case "background":
		return []declaration{one("background-color", d.value)}
	case "margin", "inset":
		v := strings.Fields(d.value)
		top, right, left := v[0], v[min(1, len(v)-1)], v[min(1, len(v)-1)]
		if len(v) == 4 {
			left = v[3]
		}
		prefix := "margin-"
		if d.name == "inset" {
			prefix = ""
		}
		return []declaration{one(prefix+"top", top), one(prefix+"right", right), one(prefix+"left", left)}
	case "overflow-x", "overflow-y":
		return []declaration{one("overflow", d.value)}
	case "-webkit-clip-path":
		return []declaration{one("clip-path", d.value)}
	case "-webkit-mask", "-webkit-mask-image", "mask":
		return []declaration{one("mask-image", d.value)}
	}
	return []declaration{one(d.name, d.value)}
}

// hides reports whether a declaration hides by itself.
func hides(d declaration) bool {
	s := style{}
	s.put(d, 0)
	l := plainLook
	l.apply(s)
	return l.hidden() != ""
}

// styleOf gathers what styles e. enough is as in matching.
func (c *cascade) styleOf(e *tagged, around []*tagged, own string) (s style, enough bool) {
	rules, enough := c.matching(e, around)
	if c.work -= len(own); c.work < 0 {
		return nil, false
	}
	if !enough || len(rules) == 0 && own == "" {
		return nil, enough
	}
	s = style{}
	for _, r := range rules {
		for _, d := range r.decls {
			s.put(d, r.selector.weight<<16+r.order)
		}
	}
	for _, d := range parseDeclarations(own) {
		s.put(d, weightInline)
	}
	return s, true
}

// apply changes l, which was inherited, by the style of an element.
func (l *look) apply(s style) {
	l.text(s)
	l.box(s)
	l.place(s)
}

// text judges what styles letters.
func (l *look) text(s style) {
	if v, ok := s["visibility"]; ok {
		l.unseen = v.value == "hidden" || v.value == "collapse"
	}
	if v, ok := s["font-size"]; ok {
		l.size = fontPixels(v.value, l.size)
	}
	if v, ok := s["color"]; ok {
		if c, ok := parseShade(v.value); ok {
			l.fg = c
		} else if strings.HasPrefix(v.value, "currentcolor") || v.value == "initial" {
			l.fg = plainLook.fg
		}
	}
	if v, ok := s["-webkit-text-fill-color"]; ok {
		l.fill, l.filled = parseShade(v.value)
	}
	if v, ok := s["background-color"]; ok {
		l.background(v.value)
	}
	if v, ok := s["background-image"]; ok {
		l.background(v.value)
	}
	if v, ok := s["text-indent"]; ok {
		l.indent, _ = cssLength(v.value, l.size)
	}
	if v, ok := s["letter-spacing"]; ok {
		l.spacing, _ = cssLength(v.value, l.size)
	}
	if v, ok := s["white-space"]; ok {
		l.pre = strings.HasPrefix(v.value, "pre") || v.value == "break-spaces"
	}
}

// background takes the first colour in a background. An image is none: it is
// not fetched, and who reads the mail may not have it either.
func (l *look) background(v string) {
	for v != "" {
		var word string
		if word, v = cutOutside(v, ' '); strings.Contains(word, "gradient(") {
			_, word, _ = strings.Cut(word, "(")
			for word != "" {
				var stop string
				stop, word = cutOutside(word, ',')
				first, _ := cutOutside(strings.TrimSpace(stop), ' ')
				if c, ok := parseShade(strings.TrimSuffix(first, ")")); ok {
					l.bg = c.over(l.bg)
					return
				}
			}
			continue
		}
		if c, ok := parseShade(word); ok {
			l.bg = c.over(l.bg)
			return
		}
	}
}

// box judges whether an element is drawn, and how much of it.
func (l *look) box(s style) {
	for name, why := range map[string]string{"display": "display", "content-visibility": "display"} {
		if v := s[name].value; v == "none" || v == "hidden" {
			l.lose(why)
		}
	}
	if v, ok := s["opacity"]; ok && portion(v.value, 1) < leastAlpha {
		l.lose("opacity")
	}
	for _, name := range []string{"display", "opacity", "content-visibility", "visibility"} {
		if strings.Contains(s[name].value, "var(") { // not resolved
			l.lose("a style that is not judged")
		}
	}
	if v := s["overflow"].value; v != "" && v != "visible" {
		for _, side := range []string{"height", "max-height", "width", "max-width"} {
			least := s["min-"+strings.TrimPrefix(side, "max-")].value
			if px, ok := cssLength(s[side].value, l.size); ok && px < leastBox {
				if m, ok := cssLength(least, l.size); (!ok || m < leastBox) && !strings.HasSuffix(least, "%") {
					l.lose("size of the box")
				}
			}
		}
	}
	for _, name := range []string{"clip-path", "mask-image", "clip"} {
		if v := s[name].value; v != "" && v != "none" && v != "auto" && v != "unset" && v != "initial" {
			l.lose("clipped")
		}
	}
	for _, f := range []string{"opacity(", "brightness(", "contrast(", "blur(", "url("} {
		if strings.Contains(s["filter"].value, f) {
			l.lose("filter")
		}
	}
	if v := s["-webkit-text-security"].value; v != "" && v != "none" {
		l.lose("letters that are covered")
	}
}

// place judges where an element is drawn.
func (l *look) place(s style) {
	placed := s["position"].value
	if slices.Contains([]string{"absolute", "fixed", "relative", "sticky"}, placed) {
		for _, side := range []string{"left", "top", "right", "bottom"} {
			if l.far(s[side].value) {
				l.lose("position")
			}
		}
		if strings.HasPrefix(s["z-index"].value, "-") {
			l.lose("behind the page")
		}
	}
	for _, side := range []string{"margin-left", "margin-top", "margin-right"} {
		if l.far(s[side].value) {
			l.lose("position")
		}
	}
	for _, name := range []string{"transform", "scale", "translate", "zoom", "rotate"} {
		if l.bent(name, s[name].value) {
			l.lose("position")
		}
	}
}

// far reports whether a distance leads off the screen.
func (l *look) far(v string) bool {
	if strings.Contains(v, "calc(") { // not calculated
		return true
	}
	px, ok := cssLength(v, l.size)
	_, unit := splitSigned(v)
	return ok && (px <= -farAway || px >= farBeyond) || unit == "%" && strings.HasPrefix(v, "-") && len(v) > 3
}

// bent reports whether a transformation takes an element out of sight.
func (l *look) bent(name, v string) bool {
	if v == "" || v == "none" {
		return false
	}
	if name != "transform" {
		v = name + "(" + v + ")"
	}
	for v != "" {
		var one string
		one, v = cutOutside(v, ' ')
		f, args, _ := strings.Cut(strings.TrimSpace(one), "(")
		for _, a := range strings.FieldsFunc(strings.TrimSuffix(args, ")"), func(r rune) bool {
			return r == ',' || r == ' '
		}) {
			n, unit := splitSigned(a)
			switch {
			case strings.HasPrefix(f, "scale") || f == "zoom":
				if unit == "%" {
					n /= 100
				}
				if n < 0.25 && n > -0.25 {
					return true
				}
			case strings.HasPrefix(f, "translate") && l.far(a):
				return true
			case f == "matrix" || f == "matrix3d" || f == "rotatex" || f == "rotatey" || f == "rotate3d":
				return true
			}
		}
	}
	return false
}

// cssLength returns a length in pixels.
func cssLength(v string, em float64) (px float64, ok bool) {
	n, unit := splitSigned(v)
	switch unit {
	case "px":
	case "pt":
		n *= 4.0 / 3
	case "em":
		n *= em
	case "rem":
		n *= normalSize
	case "ex", "ch":
		n *= em / 2
	case "in":
		n *= 96
	case "cm":
		n *= 96 / 2.54
	case "mm":
		n *= 96 / 25.4
	case "pc":
		n *= 16
	case "vw", "vh", "vmin", "vmax":
		n *= screenWidth / 100
	case "":
		return n, v != ""
	default:
		return 0, false
	}
	return n, true
}

// fontPixels returns a size of text. What is calculated counts as the smallest
// number in it.
func fontPixels(v string, around float64) float64 {
	switch v {
	case "inherit", "unset":
		return around
	case "smaller":
		return around * 0.83
	case "larger":
		return around * 1.2
	}
	if strings.Contains(v, "(") {
		if strings.Contains(v, "-") { // a difference may be nothing
			return 0
		}
		least := around
		for _, w := range strings.FieldsFunc(v, func(r rune) bool { return strings.ContainsRune("(),*+/ ", r) }) {
			if px, ok := cssLength(w, around); ok && w[0] >= '0' && w[0] <= '9' && !strings.Contains(w, "v") {
				least = min(least, px)
			}
		}
		return least
	}
	if n, unit := splitSigned(v); unit == "%" {
		return around * n / 100
	}
	if px, ok := cssLength(v, around); ok {
		return px
	}
	return normalSize // a word
}
