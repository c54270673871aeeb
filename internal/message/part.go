package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// opaque says why the content of a leaf is out of sight although its octets
// are plain, or "".
func (e *entity) opaque() string {
	switch e.kind {
	case "application/pkcs7-mime", "application/x-pkcs7-mime":
		return "it is encrypted or signed in one piece"
	case "application/pgp-encrypted":
		return "it is encrypted"
	case "application/ms-tnef", "application/vnd.ms-tnef":
		return "it is a container that only some mail programs open"
	case "application/xhtml+xml", "application/xml", "text/xml", "image/svg+xml":
		return "mail programs may show it as a page or a drawing"
	case "message/partial", "message/external-body":
		return "the recipient's mail program fetches or joins the content elsewhere"
	}
	return ""
}

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
