package message

import (
	"strconv"
	"strings"
)

// fetched are the attributes whose target a mail program would fetch by itself.
var fetched = map[string]func(tag string) bool{
	"src": func(string) bool { return true }, "background": func(string) bool { return true },
	"poster": func(string) bool { return true }, "lowsrc": func(string) bool { return true },
	"dynsrc": func(string) bool { return true }, "data": func(tag string) bool { return tag == "object" },
	"href":       func(tag string) bool { return tag == "link" || tag == "image" || tag == "use" },
	"xlink:href": func(tag string) bool { return tag == "image" || tag == "use" },
}

// count counts what e would have fetched, and the images that are there to tell
// that somebody reads the mail.
func (s *sight) count(e *seen) {
	for name, v := range e.attrs {
		if is := fetched[name]; is != nil && is(e.tag) && isRemote(v) {
			s.remote++
		}
	}
	for _, set := range []string{e.attrs["srcset"], e.attrs["imagesrcset"]} {
		for _, one := range strings.Split(set, ",") {
			if isRemote(one) {
				s.remote++
			}
		}
	}
	s.remote += cssRemote(e.attrs["style"])
	if e.tag == "img" && isRemote(e.attrs["src"]) && e.isPixel() {
		s.pixels++
	}
}

// isRemote reports whether a program that shows the page would have to ask a
// server for it.
func isRemote(url string) bool {
	url = lowerASCII(strings.TrimSpace(url))
	for _, scheme := range []string{"http:", "https:", "ftp:", "//", `\\`, "file:"} {
		if strings.HasPrefix(url, scheme) {
			return true
		}
	}
	return false
}

// cssRemote counts what a style would have fetched.
func cssRemote(css string) int {
	targets := map[string]bool{}
	for _, l := range cssLinks(css) {
		if isRemote(l.Target) {
			targets[strings.TrimRight(l.Target, "'\");")] = true
		}
	}
	return len(targets)
}

// maxPixel is the side of an image, in pixels, that nobody sees.
const maxPixel = 2

// isPixel reports whether nobody sees the image: it is hidden, or too small.
func (e *seen) isPixel() bool {
	if e.look.gone != "" || e.look.unseen {
		return true
	}
	wide, high := e.sides()
	return wide >= 0 && wide <= maxPixel || high >= 0 && high <= maxPixel
}

// sides returns the width and the height of an image in pixels, -1 where it does not say
// them, or says them as a part of something.
func (e *seen) sides() (wide, high float64) {
	wide, high = -1, -1
	least := func(at *float64, v string) {
		if n, unit, ok := splitValue(v); ok && unit == "" {
			v = strconv.FormatFloat(n, 'f', -1, 64) + "px"
		}
		if px, ok := length(v, normalSize); ok && (*at < 0 || px < *at) {
			*at = px
		}
	}
	least(&wide, lowerASCII(strings.TrimSpace(e.attrs["width"])))
	least(&high, lowerASCII(strings.TrimSpace(e.attrs["height"])))
	for _, d := range parseDeclarations(e.attrs["style"]) {
		switch d.name {
		case "width", "max-width":
			least(&wide, d.value)
		case "height", "max-height":
			least(&high, d.value)
		}
	}
	return wide, high
}

// holds reports whether an image is large enough to show a description instead of itself.
func (e *seen) holds(alt string) bool {
	wide, high := e.sides()
	if wide < 0 {
		wide = screenWidth
	}
	if high < 0 {
		high = screenWidth
	}
	width, line := float64(len([]rune(alt)))*e.look.size/2, e.look.size*normalLine
	return wide >= leastWide && high >= line && width/wide*line <= high
}
