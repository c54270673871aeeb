package message

import "strings"

// style is what an element may be set to: the values of each property that is not
// plain.
type style map[string]*choice

// choice is the value of one property that counts, and those that may count
// instead.
type choice struct {
	value  string
	weight int
	has    bool // there is a value that counts for sure, if no other one does
	unsure []weighed
}

type weighed struct {
	value  string
	weight int
}

// Weights of declarations: below them is that of the selector.
const (
	weightOrder     = 20 // bits for the place of a rule
	weightInline    = 1 << 48
	weightImportant = 1 << 49
	maxUnsure       = 6 // values of one property that are judged
)

// Names of what is not judged in a style.
const (
	notJudged = "?" // a property whose value may hide what is inside, or something else
	notKnown  = "??"
	bordered  = "???" // it has a border that is broad
)

// put adds a declaration.
func (s style) put(d declaration, weight int, sure bool) {
	if isPlain(d) {
		return
	}
	if d.important {
		weight += weightImportant
	}
	name := propertyName(d.name)
	// Whether a program knows another name, and for which side, depends on it and on the text.
	sure = sure && !d.unsure && name == d.name
	for _, p := range longhands(declaration{name: name, value: d.value}) {
		s.set(p.name, p.value, weight, sure && !p.unsure)
	}
}

func (s style) set(name, value string, weight int, sure bool) {
	c := s[name]
	if c == nil {
		c = &choice{}
		s[name] = c
	}
	switch {
	case !sure && len(c.unsure) < maxUnsure:
		c.unsure = append(c.unsure, weighed{value, weight})
	case !sure:
		c.unsure[0] = weighed{notUnderstood, weightImportant + weightInline}
	case !c.has || c.weight <= weight:
		c.value, c.weight, c.has = value, weight, true
	}
}

// each calls f with every value that a property may have, "" for none, unless it is
// not set at all.
func (s style) each(name string, f func(v string)) {
	c := s[name]
	if c == nil {
		return
	}
	f(c.value)
	for _, u := range c.unsure { // within a class only the order of the sheets is not sure
		if u.weight/weightInline >= c.weight/weightInline {
			f(u.value)
		}
	}
}

// may reports whether a property may have a value for which f holds.
func (s style) may(name string, f func(v string) bool) (yes bool) {
	s.each(name, func(v string) { yes = yes || v != "" && f(v) })
	return yes
}

// quirky are the properties whose values old pages may give without a unit. Other pages
// leave out such a declaration.
var quirky = set("font-size width height max-width max-height min-width min-height left top right bottom margin-left " +
	"margin-right margin-top margin-bottom padding-left padding-right padding-top padding-bottom letter-spacing " +
	"word-spacing text-indent")

// longhands takes the shorthands apart, and says what is not judged. Values that some
// pages alone read are unsure.
func longhands(d declaration) []declaration {
	one := func(name, value string) declaration { return declaration{name: name, value: value} }
	switch d.name {
	case "font":
		size, line, family, ok := fontShorthand(d.value)
		if !ok {
			size, line = notUnderstood, notUnderstood
		}
		return []declaration{one("font-size", size), one("line-height", line), one("font-family", family)}
	case "background":
		colour, image := backgroundShorthand(d.value)
		return []declaration{one("background-color", colour), one("background-image", image)}
	case "margin", "padding":
		return quirks(sides(d.value, d.name+"-top", d.name+"-right", d.name+"-bottom", d.name+"-left"))
	case "inset":
		return quirks(sides(d.value, "top", "right", "bottom", "left"))
	case "margin-inline", "padding-inline", "margin-block", "padding-block":
		kind, axis, _ := strings.Cut(d.name, "-")
		return axes(d.value, axis, kind+"-")
	case "inset-inline", "inset-block":
		return axes(d.value, strings.TrimPrefix(d.name, "inset-"), "")
	case "overflow":
		words := splitWords(d.value)
		if len(words) > 2 {
			words = []string{notUnderstood}
		}
		return []declaration{one("overflow-x", words[0]), one("overflow-y", words[len(words)-1])}
	case "display":
		if strings.HasPrefix(d.value, "-") { // of some programs
			return []declaration{{name: "display", value: "block", unsure: true}}
		}
	}
	switch {
	case borders[d.name] && upTo(mostBorder)(d.value):
		return []declaration{one(bordered, d.name)}
	case judged[d.name]:
		return quirks([]declaration{d})
	case plainWords[d.name] != nil || bounded[d.name] != nil || d.name == "all":
		return []declaration{one(notJudged, d.name)}
	}
	return []declaration{one(notKnown, d.name)}
}

// sides gives one to four values to the sides of a box.
func sides(v, top, right, bottom, left string) []declaration {
	w := sizesOf(v, 4, top == "padding-top")
	n := len(w)
	at := func(name string, i int) declaration {
		for i >= n {
			i = max(i-2, 0)
		}
		return declaration{name: name, value: w[i]}
	}
	return []declaration{at(top, 0), at(right, 1), at(bottom, 2), at(left, 3)}
}

// sizesOf splits the values for several sides. One that is not read makes all of them
// invalid for a browser.
func sizesOf(v string, most int, padding bool) []string {
	w := splitWords(v)
	bad := len(w) > most
	for _, one := range w {
		n, unit, isNumber := splitValue(one)
		_, isSize := reach(one, normalSize, screenWidth)
		switch {
		case cssWide[one]:
			bad = bad || len(w) > 1
		case one == "auto":
			bad = bad || padding
		default:
			bad = bad || !isSize && (!isNumber || unit != "") || padding && n < 0
		}
	}
	if bad {
		return []string{notUnderstood}
	}
	return w
}

// axes gives one or two values to two sides: those in text from left to right.
func axes(v, axis, prefix string) []declaration {
	w := sizesOf(v, 2, prefix == "padding-")
	names := [2]string{"left", "right"}
	if axis == "block" {
		names = [2]string{"top", "bottom"}
	}
	return []declaration{{name: prefix + names[0], value: w[0], unsure: true},
		{name: prefix + names[1], value: w[len(w)-1], unsure: true}}
}

// quirks finds the values that depend on the kind of the page.
func quirks(list []declaration) []declaration {
	doubt := false
	for i, d := range list {
		_, unit, isNumber := splitValue(d.value)
		n := len(d.value)
		switch {
		case quirky[d.name] && isNumber && unit == "" && strings.Trim(d.value, "0.+-") != "":
			list[i].value = d.value + "px"
			doubt = true
		case (d.name == "color" || d.name == "background-color") && (n == 3 || n == 6):
			if _, ok := hexShade(d.value); ok {
				list[i].value = "#" + d.value
				doubt = true
			}
		}
	}
	for i := range list {
		list[i].unsure = doubt
	}
	return list
}
