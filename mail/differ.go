package mail

import (
	"strings"
	"sync"
	"unicode"
)

// say remembers the words of a leaf that is shown, and its source if it is text.
func (v *viewer) say(e *entity, text, source string) {
	if v.words == nil {
		v.words, v.sources = map[*entity]string{}, map[*entity]string{}
	}
	v.words[e] = normalise(text)
	v.sources[e] = source
}

// compare sets Differ, and finds the pages that text stands for.
// Only what stands for the same content is compared: the alternatives of one
// multipart/alternative with each other, and the loose text with loose HTML.
func (v *viewer) compare(root *entity) {
	v.budget = maxMarkdown
	v.covered = map[*entity]bool{}
	var text, page []*entity // outside any alternative
	v.compareIn(root, func(e *entity) {
		if e.kind == "text/html" {
			page = append(page, e)
		} else {
			text = append(text, e)
		}
	})
	if len(text) > 0 && len(page) > 0 {
		v.compareGroups([][]*entity{text, page})
	}
}

// compareIn compares the alternatives under e, and hands each leaf that is
// shown outside of them to loose.
func (v *viewer) compareIn(e *entity, loose func(*entity)) {
	switch {
	case len(e.parts) == 0:
		if v.has(e) {
			loose(e)
		}
		return
	case e.isMessage(): // somebody else's words, not what the mail says
		loose = func(*entity) {}
	case e.kind == "multipart/alternative":
		loose = func(*entity) {}
		var groups [][]*entity
		for _, p := range e.parts {
			if said := v.said(p); len(said) > 0 {
				groups = append(groups, said)
			}
		}
		v.compareGroups(groups)
	}
	for _, p := range e.parts {
		v.compareIn(p, loose)
	}
}

func (v *viewer) has(e *entity) bool { _, ok := v.words[e]; return ok }

// said returns the shown leaves under e; of an alternative, those of the first.
func (v *viewer) said(e *entity) []*entity {
	if v.has(e) {
		return []*entity{e}
	}
	var out []*entity
	for _, p := range e.parts {
		out = append(out, v.said(p)...)
		if e.kind == "multipart/alternative" && len(out) > 0 {
			break
		}
	}
	return out
}

// compareGroups compares the first of several groups of leaves with each of
// the others. A page that agrees with text need not be shown beside it.
func (v *viewer) compareGroups(groups [][]*entity) {
	if len(groups) < 2 {
		return
	}
	first, isText := groups[0], true
	for _, e := range first {
		isText = isText && e.kind != "text/html"
	}
	plain := join(first, v.words)
	markdown := sync.OnceValues(func() (string, bool) { return v.asMarkdown(first) })
	for _, g := range groups[1:] {
		said := join(g, v.words)
		if said != plain {
			words, ok := "", false
			if isText {
				words, ok = markdown()
			}
			if !ok || said != words {
				v.review.Differ = true
				continue
			}
		}
		for _, e := range g {
			v.covered[e] = isText
		}
	}
}

// asMarkdown returns the words of text after it is read as Markdown, as
// Compose does; ok is false when rendering has cost this mail enough.
func (v *viewer) asMarkdown(text []*entity) (words string, ok bool) {
	source := join(text, v.sources)
	if v.budget -= len(source); v.budget < 0 {
		return "", false
	}
	page, err := renderMarkdown(source)
	if err != nil {
		return "", false
	}
	return normalise(renderHTML(page).words.String()), true
}

func join(es []*entity, of map[*entity]string) string {
	if len(es) == 1 {
		return of[es[0]]
	}
	var out []string
	for _, e := range es {
		out = append(out, of[e])
	}
	return strings.Join(out, " ")
}

// normalise reduces text to its words: letters and digits in lower case,
// currency signs and other symbols that carry meaning, one space between.
// Links are left out: text spells their targets out, HTML does not.
func normalise(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	gap := false
	add := func(text string) {
		for _, r := range text {
			if !isWord(r) {
				gap = true
				continue
			}
			if gap && b.Len() > 0 {
				b.WriteByte(' ')
			}
			gap = false
			b.WriteRune(unicode.ToLower(r))
		}
		gap = true
	}
	at := 0
	eachLink(s, func(start, end int) {
		add(s[at:start])
		at = end
	})
	add(s[at:])
	return b.String()
}

func isWord(r rune) bool {
	if r < 0x80 {
		return isAlnum(byte(r)) || r == '%' || r == '$'
	}
	return unicode.In(r, unicode.L, unicode.N, unicode.M, unicode.Sc, unicode.So)
}
