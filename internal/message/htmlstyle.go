package message

import (
	"strconv"
	"strings"

	"github.com/multimail/multimail/mail"
)

// styling is what the attributes of one start tag set.
type styling struct {
	element string
	around  element
	classed bool
	sheet   bool // these are declarations of a style sheet
	size    float64
	fg, bg  colour
	hasFG   bool
	hasBG   bool
	line    float64 // height of a line in pixels, 0 where it grows with the text
	linkFG  bool    // a link has the colour around it
}

func newStyling(name string, around element) *styling {
	l := &styling{element: name, around: around, size: around.size}
	switch name { // as browsers do
	case "small", "h5":
		l.size *= 0.83
	case "h6":
		l.size *= 0.67
	case "big":
		l.size *= 1.2
	case "h1", "h2", "h3", "h4":
		l.size = max(l.size, normalSize)
	}
	return l
}

// The least and the largest size of text in pixels.
const (
	minSize  = 8
	maxSize  = 100
	maxWidth = 1200
	minWidth = 50
	maxSpace = 200
)

// style judges a style attribute in lower case, or the declarations of a rule,
// and names the first property that may change what is shown.
func (l *styling) style(v string) (why string) {
	// What a comment is depends on strings, and what a string is on comments.
	if strings.ContainsAny(v, `\{}@&`) || strings.Contains(v, "/*") || !onlyASCII(v) {
		return "style with an escape"
	}
	seen := map[string]bool{}
	for _, decl := range strings.Split(v, ";") {
		if strings.TrimSpace(decl) == "" {
			continue
		}
		key, val, ok := strings.Cut(decl, ":")
		key = strings.TrimSpace(key)
		val = strings.TrimSpace(val)
		val = strings.Join(strings.Fields(strings.TrimSuffix(val, "!important")), " ")
		if !ok || seen[key] || !l.property(key, val) {
			return "style " + cutText(mail.NeutralLine(key), maxNoted)
		}
		if seen[key] = true; key == "background" || key == "background-color" {
			seen["background"], seen["background-color"] = true, true // the later one counts
		}
	}
	return ""
}

// property judges one declaration.
func (l *styling) property(key, val string) bool {
	switch key {
	case "color":
		if val == "inherit" {
			l.linkFG = true
			return true
		}
		return l.foreground(val, "x") == ""
	case "background", "background-color":
		return val == "transparent" || val == "none" || l.background(val, "x") == ""
	case "font-size":
		return l.fontSizeStyle(val)
	case "height", "min-height":
		n, ok := pixels(val)
		return val == "auto" && key == "height" ||
			ok && (growsAnyway[l.element] || key == "min-height") && n >= 0 && n <= maxWidth
	}
	switch key {
	case "display": // another one parts words or joins them
		block := blocks[l.element] && !tableParts[l.element] && l.element != "table" || l.element == "img"
		return val == "block" && block || val == "inline" && inlines[l.element]
	case "line-height":
		if px, ok := pixels(val); ok && px > 0 && strings.Trim(val, "0123456789.") == "px" {
			l.line = px
			return px <= maxSize && (!l.sheet || px >= normalSize)
		}
	}
	allowed := plainStyles[key]
	return allowed != nil && allowed(val)
}

// foreground sets the colour of text.
func (l *styling) foreground(v, why string) string {
	c, ok := parseColour(v)
	if !ok || l.hasFG && c != l.fg || l.sheet && !c.dark() {
		return why
	}
	l.fg, l.hasFG = c, true
	return ""
}

// background sets the colour behind text.
func (l *styling) background(v, why string) string {
	c, ok := parseColour(v)
	if !ok || l.hasBG && c != l.bg || l.sheet && !c.light() {
		return why
	}
	l.bg, l.hasBG = c, true
	return ""
}

// fontSize takes the size attribute of font.
func (l *styling) fontSize(v string) string {
	n, err := strconv.Atoi(strings.TrimPrefix(v, "+"))
	if err != nil || n < -7 || n > 7 {
		return "attribute size"
	}
	l.size = normalSize
	if n < 3 {
		l.size = 10
	}
	return ""
}

func (l *styling) fontSizeStyle(v string) bool {
	switch v {
	case "inherit":
		return true
	case "x-small", "small", "medium", "large", "x-large", "xx-large":
		l.size = normalSize
		return true
	}
	n, unit := splitNumber(v)
	switch {
	case n < 0:
		return false
	case unit == "px":
		l.size = n
	case unit == "pt":
		l.size = n * 4 / 3
	case l.sheet: // what it is a part of is not known
		return false
	// Old pages begin anew in a table, so only what grows is certain.
	case unit == "em" && n >= 1:
		l.size = l.around.size * n
	case unit == "rem" && n >= 1:
		l.size = normalSize * n
	case unit == "%" && n >= 100:
		l.size = l.around.size * n / 100
	default:
		return false
	}
	return l.size >= minSize && l.size <= maxSize
}

// judge says why the colours and the size of what is inside may not be seen, and
// passes them on to e. Only dark text on a light background is certainly seen:
// where a background is painted, and whether, differs between programs.
func (l *styling) judge(p *page, e *element) (why string) {
	e.size = l.size
	if l.line > 0 {
		e.line = l.line
	}
	if l.hasBG {
		e.bg, e.filled = l.bg, true
	}
	if l.hasFG {
		e.fg = l.fg
	}
	seen := func(c colour) bool {
		return contrast(c, white) >= minContrast && (!e.filled || e.bg.light() && contrast(c, e.bg) >= minContrast)
	}
	switch {
	case l.size < minSize || l.size > maxSize:
		return "size of the text"
	case e.line > 0 && e.line < l.size:
		return "height of the lines"
	case (l.hasFG || l.hasBG) && !seen(e.fg):
		return "colour of the text"
	case l.element == "table" && !l.hasFG && !seen(black): // does not inherit it in old pages
		return "colour of the text"
	case l.element == "a" && !l.hasFG && !l.linkFG:
		for _, c := range p.linkColours {
			if !seen(c) {
				return "colour of the link"
			}
		}
	}
	return ""
}

// plainStyles are the properties that change nothing about the words, with the
// values that their function allows.
var plainStyles = func() map[string]func(string) bool {
	out := map[string]func(string) bool{}
	put := func(names string, f func(string) bool) {
		for _, n := range strings.Fields(names) {
			out[n] = f
		}
	}
	one := func(values string) func(string) bool {
		ok := set(values)
		return func(v string) bool { return ok[v] }
	}
	put("font-family mso-fareast-font-family mso-bidi-font-family mso-ascii-font-family mso-hansi-font-family", plainFonts)
	put("font-weight", one("normal bold bolder lighter inherit 100 200 300 400 500 600 700 800 900"))
	put("font-style", one("normal italic inherit"))
	put("text-align", one("left right center justify start end inherit"))
	put("text-decoration text-decoration-line", one("none underline inherit"))
	put("vertical-align", one("baseline top middle bottom"))
	put("white-space", one("normal pre-wrap"))
	put("word-wrap overflow-wrap word-break line-break", one("normal break-word break-all auto after-white-space"))
	put("letter-spacing word-spacing", one("normal 0 0px"))
	put("text-transform float background-image font-variant-ligatures outline", one("none normal 0"))
	put("font-variant font-variant-caps font-stretch font-variant-east-asian font-variant-numeric", one("normal inherit"))
	put("-webkit-text-size-adjust -ms-text-size-adjust text-size-adjust", one("100% none auto"))
	put("-webkit-text-stroke-width", one("0 0px"))
	put("visibility", one("visible"))
	put("overflow", one("visible"))
	put("opacity", one("1 1.0"))
	put("position", one("static"))
	put("list-style-type list-style", one("none disc circle square decimal"))
	put("border-collapse", one("collapse separate"))
	put("clear", one("both left right none"))
	put("page-break-before page-break-after page-break-inside", one("auto always avoid"))
	put("mso-line-height-rule", one("exactly at-least"))
	put("mso-hide", one("none"))
	put("mso-style-type", one("personal-compose personal-reply personal export-only"))
	put("mso-style-priority mso-style-name mso-style-link mso-style-unhide mso-fareast-language mso-ligatures mso-list "+
		"mso-default-props mso-table-lspace mso-table-rspace mso-margin-top-alt mso-margin-bottom-alt mso-padding-alt "+
		"orphans widows -webkit-nbsp-mode page size mso-header-margin mso-footer-margin mso-paper-source", isPlainValue)
	put("line-height", lineHeight)
	put("width max-width min-width", within(minWidth, maxWidth))
	for _, side := range []string{"", "-top", "-right", "-bottom", "-left"} {
		put("margin"+side+" padding"+side, each(within(0, maxSpace)))
		for _, part := range []string{"", "-width", "-style", "-color"} {
			put("border"+side+part, border)
		}
	}
	put("text-indent", within(0, 40))
	put("border-spacing border-radius border-top-left-radius border-top-right-radius "+
		"border-bottom-left-radius border-bottom-right-radius margin-block-start margin-block-end", each(within(0, maxSpace)))
	return out
}()

// within allows lengths of so many pixels, and percentages of at most 100.
func within(least, most float64) func(string) bool {
	return func(v string) bool {
		if v == "auto" || v == "none" {
			return true
		}
		if n, unit := splitNumber(v); unit == "%" {
			return n >= least/5 && n <= 100
		}
		n, ok := pixels(v)
		return ok && n >= least && n <= most
	}
}

// each allows up to four values.
func each(f func(string) bool) func(string) bool {
	return func(v string) bool {
		values := strings.Fields(v)
		for _, x := range values {
			if !f(x) {
				return false
			}
		}
		return len(values) > 0 && len(values) <= 4
	}
}

var borderWords = set("none solid dashed dotted double inset outset groove ridge hidden thin medium thick initial " +
	"currentcolor transparent")

func border(v string) bool {
	for _, x := range strings.Fields(strings.ReplaceAll(v, ", ", ",")) {
		n, ok := pixels(x)
		if _, colour := parseColour(x); !colour && !borderWords[x] && (!ok || n < 0 || n > 50) {
			return false
		}
	}
	return true
}

func lineHeight(v string) bool {
	n, unit := splitNumber(v)
	switch {
	case v == "normal" || v == "inherit":
		return true
	case unit == "" || unit == "em":
		return n >= 1 && n <= 5
	case unit == "%":
		return n >= 100 && n <= 500
	}
	return false
}

// isPlainValue reports whether v is made of words and numbers alone.
func isPlainValue(v string) bool {
	return strings.IndexFunc(v, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune(` .,%"'-`, r)
	}) < 0
}

// pixels returns a length in pixels.
func pixels(v string) (float64, bool) {
	n, unit := splitNumber(v)
	switch unit {
	case "px":
	case "pt":
		n *= 4.0 / 3
	case "em", "rem":
		n *= normalSize
	case "ex", "ch":
		n *= normalSize / 2
	case "in":
		n *= 96
	case "cm":
		n *= 96 / 2.54
	case "":
		return n, n == 0
	default:
		return 0, false
	}
	return n, n >= 0
}

// splitNumber cuts a number, -1 if there is none, from its unit.
func splitNumber(v string) (n float64, unit string) {
	end := strings.IndexFunc(v, func(r rune) bool { return (r < '0' || r > '9') && r != '.' })
	if end < 0 {
		end = len(v)
	}
	n, err := strconv.ParseFloat(v[:end], 64)
	if err != nil {
		return -1, ""
	}
	return n, v[end:]
}

// fonts are known to have letters that look like what they are.
var fonts = func() map[string]bool {
	out := map[string]bool{}
	for _, f := range strings.Split(
		"arial,helvetica,helvetica neue,sans-serif,serif,monospace,system-ui,ui-sans-serif,calibri,calibri light,"+
			"cambria,candara,consolas,constantia,corbel,times,times new roman,georgia,verdana,geneva,tahoma,"+
			"trebuchet ms,lucida grande,lucida sans unicode,lucida sans,lucida console,courier,courier new,segoe ui,"+
			"roboto,open sans,lato,montserrat,inter,source sans pro,noto sans,ubuntu,cantarell,oxygen,menlo,monaco,"+
			"garamond,palatino,palatino linotype,book antiqua,century gothic,gill sans,optima,aptos,"+
			"aptos_embeddedfont,aptos_msfontservice,aptos display,arial black,arial narrow,-apple-system,"+
			"blinkmacsystemfont,sf pro text,sf pro display,san francisco,liberation sans,dejavu sans,cambria math,"+
			"inherit,initial,mangal,simsun,ms mincho,ms gothic,yu gothic,yu mincho", ",") {
		out[f] = true
	}
	return out
}()

func plainFonts(v string) bool {
	for _, f := range strings.Split(v, ",") {
		if !fonts[strings.Trim(strings.TrimSpace(f), `"'`)] {
			return false
		}
	}
	return true
}

// stripComments removes /* comments */ that stand in no string (CSS Syntax,
// section 4.3); ok is false where a string or a comment has no end.
func stripComments(s string) (out string, ok bool) {
	var b strings.Builder
	for s != "" {
		i := strings.IndexAny(s, `/"'`)
		if i < 0 {
			break
		}
		b.WriteString(s[:i])
		switch s = s[i:]; {
		case strings.HasPrefix(s, "/*"):
			if _, s, ok = strings.Cut(s[2:], "*/"); !ok {
				return "", false
			}
			b.WriteByte(' ') // it ends a word
		case s[0] == '/':
			b.WriteByte('/')
			s = s[1:]
		default:
			end := strings.IndexByte(s[1:], s[0])
			if end < 0 || strings.ContainsAny(s[:end+2], "\r\n\f{};") {
				return "", false
			}
			b.WriteString(s[:end+2])
			s = s[end+2:]
		}
	}
	b.WriteString(s)
	return b.String(), true
}
