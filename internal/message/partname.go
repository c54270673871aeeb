package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// nameParameters are where programs look for the name of a file, the common
// ones first.
var nameParameters = []struct{ field, parameter string }{
	{"disposition", "filename"}, {"type", "name"}, {"disposition", "name"}, {"type", "filename"},
}

// names returns every name under which a reader may offer the leaf, decoded,
// without duplicates, and notes what is odd about them.
func (e *entity) names() []string {
	var r readingSet
	for _, where := range nameParameters {
		list := e.typ
		if where.field == "disposition" {
			list = e.disposition
		}
		r.add(list.values(where.parameter)...)
	}
	if len(r.list) == 0 && e.disposition != nil && e.disposition.malformed {
		_, rest, _ := strings.Cut(e.field("content-disposition"), ";")
		r.add(strings.TrimSpace(rest)) // better than no name at all
	}
	if len(r.list) > 1 {
		e.note("its file name is read in more than one way")
	}
	for _, name := range r.list {
		if why := CheckFileName(name); why != "" {
			e.note("its file name " + why)
		}
	}
	return r.list
}

// maxNames is how many names of one part are shown.
const maxNames = 5

// shownNames returns the names of a part for the approver: that of the most
// lenient reader, up to maxNames of others, and how many more there are.
func (e *entity) shownNames() (name string, others []string, more int) {
	names := e.names()
	if len(names) == 0 {
		return "", nil, 0
	}
	for _, n := range names[1:min(len(names), 1+maxNames)] {
		others = append(others, mail.NeutralLine(n))
	}
	return mail.NeutralLine(names[0]), others, len(names) - 1 - len(others)
}
