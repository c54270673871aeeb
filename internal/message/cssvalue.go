package message

import (
	"regexp"
	"strconv"
	"strings"
)

// number is one of CSS Syntax, section 4.3.3, with its unit.
var number = regexp.MustCompile(`^([+-]?(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)(?:e[+-]?[0-9]+)?)([a-z]+|%)?$`)

// splitValue reads a number with its unit, "" where it has none.
func splitValue(v string) (n float64, unit string, ok bool) {
	if len(v) > maxNumber {
		return 0, "", false
	}
	m := number.FindStringSubmatch(v)
	if m == nil {
		return 0, "", false
	}
	n, err := strconv.ParseFloat(m[1], 64)
	return n, m[2], err == nil
}

// maxNumber is the longest number that is read, in octets.
const maxNumber = 40

// units are pixels for each unit that a fixed length has (CSS Values 4, section 6.2).
var units = map[string]float64{"px": 1, "pt": 4.0 / 3, "pc": 16, "in": 96, "cm": 96 / 2.54, "mm": 96 / 25.4,
	"q": 96 / 101.6, "rem": normalSize}

// length reads a length in pixels. em is the size of letters. It knows what is fixed,
// and what depends on letters alone.
func length(v string, em float64) (px float64, ok bool) {
	n, unit, ok := splitValue(v)
	switch {
	case !ok:
		return 0, false
	case unit == "":
		return 0, n == 0
	case unit == "em":
		return n * em, true
	case unit == "ex" || unit == "ch":
		return n * em / 2, true
	}
	px, ok = units[unit]
	return n * px, ok
}

// reach reads a length or a percentage of at most whole pixels.
func reach(v string, em, whole float64) (px float64, ok bool) {
	if n, unit, ok := splitValue(v); ok && unit == "%" {
		return n * whole / 100, true
	}
	return length(v, em)
}

// fontSizes are the words for sizes, in pixels or as a part of the size around.
var fontSizes = map[string]float64{"xx-small": 9, "x-small": 10, "small": 13, "medium": 16, "large": 18, "x-large": 24,
	"xx-large": 32, "xxx-large": 48, "initial": normalSize}

// fontPixels reads a size of text in pixels, in text of another size.
func fontPixels(v string, around float64) (px float64, ok bool) {
	switch v {
	case "inherit", "unset", "revert", "revert-layer":
		return around, true
	case "smaller":
		return around * 0.83, true
	case "larger":
		return around * 1.2, true
	}
	if px, ok := fontSizes[v]; ok {
		return px, true
	}
	px, ok = reach(v, around, around)
	return px, ok && px >= 0
}

// fontStyles are the words in front of the size of the shorthand font, with their kinds.
var fontStyles = map[string]string{"normal": "normal", "italic": "style", "oblique": "style", "small-caps": "variant",
	"bold": "weight", "bolder": "weight", "lighter": "weight", "100": "weight", "200": "weight", "300": "weight",
	"400": "weight", "500": "weight", "600": "weight", "700": "weight", "800": "weight", "900": "weight"}

// families is a list of names of fonts: each a string, or names with blanks between.
var families = regexp.MustCompile(`^(?:"[^"]*"|[a-z_-][a-z0-9_-]*(?: [a-z_-][a-z0-9_-]*)*)` +
	`(?:,(?:"[^"]*"|[a-z_-][a-z0-9_-]*(?: [a-z_-][a-z0-9_-]*)*))*$`)

// isFamilies reports whether v is a list of names of fonts.
func isFamilies(v string) bool {
	for _, one := range strings.Split(v, ",") {
		if cssWide[one] || one == "default" {
			return false
		}
	}
	return families.MatchString(v)
}

// systemFonts are the words that stand for a whole font.
var systemFonts = set("caption icon menu message-box small-caption status-bar")

// fontShorthand takes the shorthand font apart.
func fontShorthand(v string) (size, line, family string, ok bool) {
	switch {
	case cssWide[v]:
		return v, v, v, true
	case systemFonts[v]:
		return "small", "normal", "initial", true
	}
	words := splitWords(v)
	kinds, before := map[string]bool{}, len(words)
	for len(words) > 0 && fontStyles[words[0]] != "" {
		kind := fontStyles[words[0]]
		if kinds[kind] && kind != "normal" {
			return "", "", "", false
		}
		kinds[kind], words = true, words[1:]
	}
	if len(words) < 2 || before-len(words) > 4 || !isFamilies(strings.Join(words[1:], " ")) {
		return "", "", "", false
	}
	size, line, found := strings.Cut(words[0], "/")
	if !found {
		line = "normal"
	}
	_, ok = fontPixels(size, normalSize)
	return size, line, strings.Join(words[1:], " "), ok
}

// cssWide are the values that every property has.
var cssWide = set("inherit initial unset revert revert-layer")

// portion reads a number or a percentage as a part of one.
func portion(v string) (n float64, ok bool) {
	n, unit, ok := splitValue(v)
	if unit == "%" {
		n, unit = n/100, ""
	}
	return min(max(n, 0), 1), ok && unit == ""
}
