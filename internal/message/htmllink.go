package message

import (
	"bytes"
	"strings"

	"golang.org/x/net/html"
)

// collectLinks takes the links out of the attributes of a start tag.
func (p *page) collectLinks(t html.Token) {
	for _, a := range t.Attr {
		v := strings.TrimSpace(a.Val)
		switch a.Key {
		case "alt":
			if p.link >= 0 && len(p.linkAlt)+len(v) < maxLinkText {
				p.linkAlt += " " + v
			}
		case "rel":
			if rel := strings.ToLower(v); t.Data == "link" &&
				(strings.Contains(rel, "sheet") || strings.Contains(rel, "import")) {
				p.remark(remarkSheet)
				p.sheet.whole = true
			}
		case "style":
			p.addLinks(cssLinks(v))
		case "http-equiv":
			if !plainMeta[strings.ToLower(v)] {
				p.remark(remarkRefresh)
			}
		case "content":
			p.content(t, v)
		case "srcset", "imagesrcset":
			for _, candidate := range strings.Split(v, ",") {
				url, _, _ := strings.Cut(strings.TrimSpace(candidate), " ")
				p.addLink(url, "")
			}
		case "href":
			p.href(t, v)
		case "action", "formaction":
			p.addLink(v, "a form is sent there")
		case "src", "background", "poster", "cite", "data", "longdesc", "xlink:href", "ping", "manifest", "codebase",
			"classid", "archive", "profile", "usemap", "icon", "dynsrc", "lowsrc":
			if a.Key != "usemap" || !strings.HasPrefix(v, "#") {
				p.addLink(v, "")
			}
		}
	}
}

// plainMeta say nothing that changes the page.
var plainMeta = set("content-type x-ua-compatible content-style-type content-language")

// content takes the attribute of that name, which may replace the page.
func (p *page) content(t html.Token, v string) {
	low := []byte(v)
	for i, c := range low {
		if c >= 'A' && c <= 'Z' {
			low[i] += 'a' - 'A'
		}
	}
	i := bytes.Index(low, []byte("url="))
	if i < 0 || t.Data != "meta" {
		p.addLinks(textLinks(v))
		return
	}
	p.addLink(strings.Trim(v[i+len("url="):], `"' `), "the page is replaced by it")
	p.remark(remarkRefresh)
}

func (p *page) href(t html.Token, v string) {
	switch t.Data {
	case "a":
		if p.links = append(p.links, Link{Target: v}); p.link < 0 {
			p.link, p.linkAt, p.linkAlt = len(p.links)-1, p.words.Len(), ""
		}
	case "area":
		p.addLink(v, "a region of an image leads there")
	case "base":
		p.addLink(v, "every relative link begins there")
	default:
		p.addLink(v, "")
	}
}

func (p *page) addLink(target, why string) {
	if target != "" {
		p.links = append(p.links, Link{Target: target, Why: why})
	}
}

func (p *page) addLinks(links []Link) { p.links = append(p.links, links...) }

// maxLinkText bounds what is kept of the text of one link, in octets.
const maxLinkText = 2000

// endLink gives the open link its text.
func (p *page) endLink() {
	if p.link < 0 {
		return
	}
	text := strings.Join(strings.Fields(p.words.String()[p.linkAt:]+p.linkAlt), " ")
	if len(text) > maxLinkText {
		text = strings.ToValidUTF8(text[:maxLinkText], "") + "…"
	}
	p.links[p.link].Text = text
	p.link = -1
}

// cssLinks returns the targets of url() and @import in a style.
func cssLinks(css string) []Link {
	var out []Link
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
			out = append(out, Link{Target: url})
		}
		at += n
	}
	return append(out, textLinks(css)...)
}
