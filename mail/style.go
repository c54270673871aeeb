package mail

import (
	"strconv"
	"strings"

	"golang.org/x/net/html"
)

// hides reports whether a browser would not show what is inside the element.
func (p *page) hides(t html.Token) bool {
	if t.Data == "template" || t.Data == "datalist" {
		return true
	}
	white := false
	for _, a := range t.Attr {
		v := strings.ToLower(strings.TrimSpace(a.Val))
		switch a.Key {
		case "hidden":
			return true
		case "bgcolor", "background":
			p.shaded = p.shaded || !isWhite(v)
		case "color":
			white = white || isWhite(v)
		case "style":
			s := parseStyle(v)
			if s.hides() {
				return true
			}
			bg := s["background-color"] + s["background"]
			p.shaded = p.shaded || bg != "" && !isWhite(bg)
			white = white || isWhite(s["color"])
		}
	}
	return white && !p.shaded
}

// style is the inline style of an element.
type style map[string]string

// parseStyle reads the value of a style attribute that is in lower case.
func parseStyle(v string) style {
	s := style{}
	for _, decl := range strings.Split(stripComments(v), ";") {
		key, val, ok := strings.Cut(decl, ":")
		if !ok {
			continue
		}
		val = strings.ReplaceAll(val, "!important", "")
		s[strings.TrimSpace(key)] = strings.Join(strings.Fields(val), " ")
	}
	return s
}

// stripComments removes /* comments */.
func stripComments(s string) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(s, "/*")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		if _, s, ok = strings.Cut(rest, "*/"); !ok {
			return b.String()
		}
	}
}

// hides reports whether the style makes text vanish.
func (s style) hides() bool {
	for key := range s {
		if strings.Contains(key, `\`) || strings.Contains(s[key], `\`) {
			return true // an escaped name has something to hide
		}
	}
	clipped := strings.HasPrefix(s["overflow"], "hidden")
	switch {
	case s["display"] == "none", s["visibility"] == "hidden", s["visibility"] == "collapse",
		s["mso-hide"] == "all", s["content-visibility"] == "hidden":
		return true
	case atMost(s["font-size"], 2), atMost(s["opacity"], 0.1):
		return true
	case clipped && (atMost(s["height"], 1) || atMost(s["max-height"], 1) ||
		atMost(s["width"], 1) || atMost(s["max-width"], 1)):
		return true
	case s["color"] == "transparent",
		s["color"] != "" && (s["color"] == s["background-color"] || s["color"] == s["background"]):
		return true
	case strings.HasPrefix(s["clip"], "rect(0"), strings.HasPrefix(s["clip"], "rect(1px"),
		strings.HasPrefix(s["transform"], "scale(0"):
		return true
	}
	for _, key := range []string{"text-indent", "left", "top", "right", "bottom", "margin-left",
		"margin-top"} {
		if strings.HasPrefix(s[key], "-") && !atMost(s[key][1:], 99) {
			return true // pushed off the screen
		}
	}
	return false
}

// atMost reports whether v is a number, with any unit, of at most limit. A
// value in em or percent counts only when it is nearly nothing.
func atMost(v string, limit float64) bool {
	end := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(v)
	}
	n, err := strconv.ParseFloat(v[:end], 64)
	if err != nil {
		return false
	}
	if unit := v[end:]; strings.HasSuffix(unit, "em") || unit == "%" {
		limit = min(limit, 0.1)
	}
	return n <= limit
}

// isWhite reports whether a colour is the white of an unstyled page.
func isWhite(v string) bool {
	switch strings.ReplaceAll(v, " ", "") {
	case "white", "#fff", "#ffffff", "rgb(255,255,255)":
		return true
	}
	return false
}

// cssLinks returns the targets of url() and @import in a style.
func cssLinks(css string) []string {
	var out []string
	low := strings.ToLower(css)
	if len(low) != len(css) { // some letters change size in lower case
		low = css
	}
	for at := 0; ; {
		i := strings.Index(low[at:], "url(")
		if i < 0 {
			break
		}
		at += i + len("url(")
		n := strings.IndexByte(css[at:], ')')
		if n < 0 {
			break
		}
		if url := strings.Trim(css[at:at+n], `"' `+"\t\r\n"); url != "" {
			out = append(out, url)
		}
		at += n
	}
	return append(out, textLinks(css)...)
}
