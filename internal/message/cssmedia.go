package message

import "strings"

// The widths of the windows in which a mail is read, in pixels: those of a person
// at a desk. What holds for some of them alone is not sure.
const (
	leastWindow = 1000
	mostWindow  = 2560
	screenWidth = 1024
)

// mediaTypes says which media are a screen (Media Queries 4, section 2.3).
var mediaTypes = map[string]bool{
	"all": true, "screen": true, "print": false, "speech": false, "tty": false, "tv": false, "projection": false,
	"handheld": false, "braille": false, "embossed": false, "aural": false,
}

// mediaMatches reports whether a list of media queries holds on a light screen at
// a desk, and whether that is sure.
func mediaMatches(list string) (matches, sure bool) {
	for _, q := range splitOutside(list, ',') {
		yes, certain := queryMatches(q)
		if yes && certain {
			return true, true
		}
		matches = matches || yes
	}
	return matches, list == ""
}

// queryMatches judges one media query: parts joined by "and".
func queryMatches(q string) (matches, sure bool) {
	sure = true
	only := false // which stands before a type alone
	for i, part := range strings.Split(strings.TrimSpace(q), " and ") {
		if i == 0 {
			part, only = strings.CutPrefix(part, "only ")
			if is, ok := mediaTypes[part]; ok {
				if only = false; !is {
					return false, true
				}
				continue
			}
		}
		yes, certain := featureMatches(part)
		if certain = certain && !only; !yes {
			return false, true
		}
		sure = sure && certain
	}
	return true, sure
}

// featureMatches judges a media feature in parentheses. What it does not know may hold.
func featureMatches(part string) (matches, sure bool) {
	inner, ok := strings.CutPrefix(part, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	name, value, _ := strings.Cut(inner, ":")
	if !ok || !closed {
		return true, false
	}
	switch name {
	case "prefers-color-scheme":
		return value != "dark", value == "dark" || value == "light"
	case "max-width", "max-device-width":
		if px, ok := length(value, normalSize); ok {
			return px >= leastWindow, px < leastWindow || px >= mostWindow
		}
	case "min-width", "min-device-width":
		if px, ok := length(value, normalSize); ok {
			return px <= mostWindow, px <= leastWindow || px > mostWindow
		}
	}
	return true, false
}
