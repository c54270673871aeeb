package message

import (
	"strconv"
	"strings"
)

// colour is one in sRGB.
type colour struct{ r, g, b uint8 }

var (
	black = colour{}
	white = colour{255, 255, 255}
)

var namedColours = map[string]colour{
	"black": black, "white": white, "windowtext": black, "gray": {128, 128, 128}, "grey": {128, 128, 128},
	"silver": {192, 192, 192}, "red": {255, 0, 0}, "maroon": {128, 0, 0}, "green": {0, 128, 0}, "blue": {0, 0, 255},
	"navy": {0, 0, 128}, "purple": {128, 0, 128}, "teal": {0, 128, 128}, "olive": {128, 128, 0}, "orange": {255, 165, 0},
	"yellow": {255, 255, 0}, "whitesmoke": {245, 245, 245}, "lightgray": {211, 211, 211}, "lightgrey": {211, 211, 211},
	"darkblue": {0, 0, 139}, "darkred": {139, 0, 0}, "darkgreen": {0, 100, 0}, "dimgray": {105, 105, 105},
}

// parseColour reads a plain colour in lower case: a name that is well known,
// #rgb, #rrggbb or rgb(r, g, b).
func parseColour(v string) (colour, bool) {
	if c, ok := namedColours[v]; ok {
		return c, true
	}
	if hex, ok := strings.CutPrefix(v, "#"); ok {
		if len(hex) == 3 {
			hex = string([]byte{hex[0], hex[0], hex[1], hex[1], hex[2], hex[2]})
		}
		n, err := strconv.ParseUint(hex, 16, 24)
		return colour{uint8(n >> 16), uint8(n >> 8), uint8(n)}, err == nil && len(hex) == 6
	}
	list, ok := strings.CutPrefix(v, "rgb(")
	list, closed := strings.CutSuffix(list, ")")
	parts := strings.Split(list, ",")
	if !ok || !closed || len(parts) != 3 {
		return colour{}, false
	}
	var c [3]uint8
	for i, part := range parts {
		n, err := strconv.ParseUint(strings.TrimSpace(part), 10, 8)
		if err != nil {
			return colour{}, false
		}
		c[i] = uint8(n)
	}
	return colour{c[0], c[1], c[2]}, true
}

// luminance is nearly the relative luminance of WCAG 2, section 1.4.3.
func (c colour) luminance() float64 {
	linear := func(v uint8) float64 { f := float64(v) / 255; return f * f * (0.2 + 0.8*f) }
	return 0.2126*linear(c.r) + 0.7152*linear(c.g) + 0.0722*linear(c.b)
}

// contrast is 1 for equal colours and 21 for black on white.
func contrast(a, b colour) float64 {
	x, y := a.luminance(), b.luminance()
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

// minContrast is that of text which is certainly seen. Light grey on white, as
// in the footers of newsletters, has two.
const minContrast = 2

// light is a colour that every dark one is seen on.
func (c colour) light() bool { return contrast(c, white) < 1.35 }

// dark is a colour that is seen on every light one.
func (c colour) dark() bool { return contrast(c, white) >= 2*1.35 }
