package message

import "slices"

// formatting are the elements that browsers open again when a block around them
// ends (HTML, section 13.2.4.3).
var formatting = set("a b big code em font i nobr s small strike strong tt u")

// scopes are the elements that an end tag does not reach beyond.
var scopes = set("html table td th caption object template")

// reach are those of a table, whose end tags reach out of cells.
var reach = set("table tbody thead tfoot tr td th caption html body")

// end ends an element as browsers do: with it all that is open inside, except
// that formatting goes on. An end tag that meets nothing is ignored.
func (s *sight) end(name string) {
	if name == "br" || name == "p" {
		s.out.line(1)
	}
	at := len(s.open) - 1
	for ; at > 1 && s.open[at].tag != name; at-- {
		s.spend(1)
		tag := s.open[at].tag
		if scopes[tag] && !reach[name] || tag == "table" && name != "table" && reach[name] {
			return
		}
		if !blocks[name] && !formatting[name] && !reach[name] && blocks[tag] {
			return
		}
	}
	switch {
	case at < 2: // html and body last to the end
	case formatting[name] && slices.ContainsFunc(s.open[at:], func(e seen) bool { return blocks[e.tag] }):
		s.endFormatting(at)
	default:
		s.popTo(at)
	}
}

// endFormatting ends a formatting element that has blocks inside: these stay
// open, without what it had set.
func (s *sight) endFormatting(at int) {
	rest := slices.Clone(s.open[at+1:])
	if s.open[at].closer != nil {
		s.open[at].closer()
	}
	s.open, s.around = s.open[:at], s.around[:at]
	for _, e := range rest {
		s.again(e)
	}
}

// popTo ends the elements from at on. Formatting that was open inside a block
// goes on behind it, except out of a cell.
func (s *sight) popTo(at int) {
	var again []seen
	for len(s.open) > at {
		e := s.open[len(s.open)-1]
		if formatting[e.tag] && len(s.open)-1 > at && e.tag != "a" && len(again) < maxImplied {
			e.closer = nil
			again = append(again, e)
		}
		if scopes[e.tag] {
			again = nil
		}
		s.pop()
	}
	for i := len(again) - 1; i >= 0; i-- {
		s.again(again[i])
	}
}

// pop ends the innermost element.
func (s *sight) pop() {
	last := len(s.open) - 1
	if s.open[last].closer != nil {
		s.open[last].closer()
	}
	s.open, s.around = s.open[:last], s.around[:last]
}

// again opens an element once more, in what is around it now.
func (s *sight) again(e seen) {
	silent := e.silent
	e.look, e.silent = s.inner()
	e.silent = e.silent || silent
	s.spend(1)
	s.tooMuch = !s.paint(&e) || s.tooMuch
	s.push(e)
}

// spend counts steps of work.
func (s *sight) spend(n int) {
	if s.sheet.work -= n; s.sheet.work < 0 {
		s.tooMuch = true
	}
}

// closeFor ends what a start tag ends: a paragraph or an item that is open, and
// what was left open inside of it.
func (s *sight) closeFor(name string) {
	ends := endedBy[name]
	if ends == nil && name != "a" {
		return
	}
	for at := len(s.open) - 1; at > 1; at-- {
		s.spend(1)
		tag := s.open[at].tag
		switch {
		case ends[tag] || tag == "a" && name == "a":
			s.popTo(at)
			if name == "a" {
				return
			}
		case scopes[tag] && !reach[name], tag == "table", items[name] && lists[tag]:
			return
		case blocks[tag] && !formatting[tag]:
			return
		}
	}
}
