package message

import (
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
	for _, d := range parseDeclarations(e.attrs["style"]) {
		if d.name == "width" || d.name == "height" || d.name == "max-width" || d.name == "max-height" {
			if px, ok := cssLength(d.value, normalSize); ok && px <= maxPixel {
				return true
			}
		}
	}
	for _, name := range []string{"width", "height"} {
		v := strings.TrimSpace(e.attrs[name])
		if n, unit := splitNumber(v); v != "" && n >= 0 && n <= maxPixel && (unit == "" || unit == "px") {
			return true
		}
	}
	return false
}
