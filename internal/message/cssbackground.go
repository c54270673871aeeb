package message

import (
	"slices"
	"strings"
)

// Words of the shorthand background (CSS Backgrounds 3, section 2.10).
var (
	repeatWords   = set("repeat no-repeat space round")
	acrossWords   = set("left right")
	alongWords    = set("top bottom")
	attachedWords = set("scroll fixed local")
	boxWords      = set("border-box padding-box")
)

// backgroundShorthand takes a background apart: its colour, and its gradient or "none".
// An image is no part of it: it is not fetched, and who reads the mail may not have it
// either.
func backgroundShorthand(v string) (colour, image string) {
	if cssWide[v] {
		return v, v
	}
	colour, image = "transparent", "none"
	var rest []string
	colours, images := 0, 0
	for _, w := range splitWords(v) {
		_, isColour := parseShade(w)
		switch {
		case isColour || w == "currentcolor":
			colour = w
			colours++
		case w == "none":
			images++
		case w == "url()" || w == `url("")`: // what is in the page itself is painted
			images++
		case isGradient(w):
			image = w
			images++
		default:
			rest = append(rest, w)
		}
	}
	full, ok := backgroundPlace(rest)
	if !ok || colours > 1 || images > 1 || image != "none" && !full {
		return notUnderstood, notUnderstood
	}
	return colour, image
}

// backgroundPlace reads where and how often an image is painted. full says that it fills
// its box.
func backgroundPlace(words []string) (full, ok bool) {
	var position []string
	size, sized, full, last := "", false, true, ""
	counts := map[string]int{}
	for _, w := range words {
		kind, words := "position", 1
		switch {
		case w == "repeat-x" || w == "repeat-y": // each stands for two
			kind, words, full = "repeat", 2, false
		case repeatWords[w]:
			kind = "repeat"
		case attachedWords[w]:
			kind = "attachment"
		case boxWords[w]:
			kind = "box"
		}
		if counts[kind] > 0 && last != kind && kind != "box" { // its words stand side by side
			return false, false
		}
		counts[kind] += words
		last = kind
		if kind != "position" {
			continue
		}
		if sized { // a further word of the size
			size += " " + w
			continue
		}
		at, after, cut := strings.Cut(w, "/")
		position = append(position, at)
		size, sized = after, cut
	}
	if counts["repeat"] > 2 || counts["attachment"] > 1 || counts["box"] > 2 || sized && size == "" {
		return false, false
	}
	full = full && (size == "" || size == "cover" || size == "100%" || size == "100% 100%" || size == "auto")
	for _, w := range position {
		n, _, isNumber := splitValue(w)
		full = full && (!isNumber || n == 0)
	}
	return full, isPosition(position) && isBackgroundSize(size)
}

// isPosition reports whether at most two words are a position.
func isPosition(words []string) bool {
	for _, w := range words {
		_, isLength := reach(w, normalSize, screenWidth)
		if !isLength && w != "center" && !acrossWords[w] && !alongWords[w] {
			return false
		}
	}
	if len(words) < 2 {
		return true
	}
	a, b := words[0], words[1]
	_, first := reach(a, normalSize, screenWidth)
	_, second := reach(b, normalSize, screenWidth)
	return len(words) == 2 && !(acrossWords[a] && acrossWords[b]) && !(alongWords[a] && (alongWords[b] || second)) &&
		!(first && acrossWords[b])
}

func isBackgroundSize(v string) bool {
	words := strings.Fields(v)
	for _, w := range words {
		n, isLength := reach(w, normalSize, screenWidth)
		if w != "auto" && (!isLength || n < 0) && (len(words) > 1 || w != "cover" && w != "contain") {
			return false
		}
	}
	return len(words) <= 2
}

func isGradient(w string) bool {
	return strings.HasPrefix(w, "linear-gradient(") || strings.HasPrefix(w, "radial-gradient(")
}

// gradientStops returns the colours of a gradient. Each must be one that is read, with
// at most places behind it.
func gradientStops(v string) (out []shade, ok bool) {
	_, list, _ := strings.Cut(v, "(")
	list, closed := strings.CutSuffix(list, ")")
	for i, stop := range splitOutside(list, ',') {
		words := splitWords(stop)
		c, isColour := parseShade(words[0])
		if !isColour && i == 0 && isDirection(words, strings.HasPrefix(v, "linear")) {
			continue
		}
		if !isColour || len(words) > 3 {
			return nil, false
		}
		for _, w := range words[1:] {
			if n, isPlace := reach(w, normalSize, screenWidth); !isPlace || n < 0 {
				return nil, false
			}
		}
		out = append(out, c)
	}
	return out, closed && len(out) > 1
}

// isDirection reports whether words say how a gradient lies.
func isDirection(words []string, linear bool) bool {
	if linear && len(words) == 1 {
		_, unit, isNumber := splitValue(words[0])
		return isNumber && (unit == "deg" || unit == "turn")
	}
	if linear {
		return words[0] == "to" && !slices.Contains(words, "center") && isPosition(words[1:])
	}
	if words[0] != "circle" && words[0] != "ellipse" {
		return false
	}
	return len(words) == 1 || len(words) > 2 && words[1] == "at" && isPosition(words[2:])
}
