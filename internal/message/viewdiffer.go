package message

// remember keeps a leaf that is shown, its lines ended by LF; doubtful is one
// that readers decode in more than one way.
func (v *viewer) remember(e *entity, source string, doubtful bool) {
	if v.sources == nil {
		v.sources, v.doubtful = map[*entity]string{}, map[*entity]bool{}
	}
	v.sources[e] = unixLines(source)
	v.doubtful[e] = doubtful
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
			if shown := v.shownLeaves(p); len(shown) > 0 {
				groups = append(groups, shown)
			} else {
				v.review.Differ = true // a form that is not text may be the one that is shown
			}
		}
		v.compareGroups(groups)
	}
	for _, p := range e.parts {
		v.compareIn(p, loose)
	}
}

func (v *viewer) has(e *entity) bool { _, ok := v.sources[e]; return ok }

// shownLeaves returns the shown leaves under e; of an alternative, those of the first.
func (v *viewer) shownLeaves(e *entity) []*entity {
	if v.has(e) {
		return []*entity{e}
	}
	var out []*entity
	for _, p := range e.parts {
		out = append(out, v.shownLeaves(p)...)
		if e.kind == "multipart/alternative" && len(out) > 0 {
			break
		}
	}
	return out
}

// compareGroups compares the first of several groups of leaves with each of
// the others. Only one plain text alone can stand for one page alone: all else
// is shown beside it and counts as different.
func (v *viewer) compareGroups(groups [][]*entity) {
	if len(groups) < 2 {
		return
	}
	first := groups[0]
	for _, g := range groups[1:] {
		if len(first) != 1 || len(g) != 1 || !v.same(first[0], g[0]) {
			v.review.Differ = true
			continue
		}
		v.covered[g[0]] = true
	}
}

// same reports whether two leaves show the same to every reader.
func (v *viewer) same(text, other *entity) bool {
	if !text.isPlain() || v.doubtful[text] || v.doubtful[other] {
		return false
	}
	if other.kind != "text/html" {
		return other.isPlain() && sameWords(v.sources[text], v.sources[other])
	}
	if n := len(v.sources[text]); n <= maxMarkdown { // more is not rendered
		if v.budget -= n; v.budget < 0 {
			return false
		}
	}
	return standsFor(v.sources[text], v.sources[other])
}

// isPlain reports whether the leaf is text that no parameter lays out anew, as
// format=flowed does.
func (e *entity) isPlain() bool {
	if e.typ == nil {
		return e.kind == "text/plain"
	}
	for _, name := range e.typ.names {
		if name != "charset" {
			return false
		}
	}
	return e.kind == "text/plain"
}
