package origin

import (
	"errors"
	"strings"

	"github.com/multimail/multimail/mail"
)

// The bounds of an Authentication-Results field that is read. Real ones have a dozen
// results of a few properties.
const (
	maxResultOctets = 16 << 10
	maxResults      = 64
	maxProperties   = 32 // of one result
	maxComments     = 8  // levels
)

// authResults is what an Authentication-Results field says (RFC 8601, section 2.2).
type authResults struct {
	id      string // authserv-id, as written
	results []methodResult
}

// methodResult is one result in it.
type methodResult struct {
	method, result string            // lower case
	properties     map[string]string // by ptype.property, lower case
}

var errResults = errors.New("a malformed Authentication-Results field")

// parseAuthResults reads the unfolded value of a field. What has more than one reading
// is an error: nobody is to be believed by half.
func parseAuthResults(value string) (*authResults, error) {
	if len(value) > maxResultOctets {
		return nil, errResults
	}
	p := &resultParser{s: value}
	id := p.value()
	if p.blank(); !p.at(';') && p.rest() != "" && p.value() != "1" || id == "" {
		p.bad = true // a version that is not known
	}
	a, err := p.all()
	if err == nil {
		a.id = id
	}
	return a, err
}

// parseResultsOnly reads the unfolded value of a field that has no authserv-id: it begins
// with a result, as no field of RFC 8601 does.
func parseResultsOnly(value string) (*authResults, error) {
	if len(value) > maxResultOctets {
		return nil, errResults
	}
	a, err := (&resultParser{s: ";" + value}).all()
	if err == nil && len(a.results) == 0 {
		err = errResults
	}
	return a, err
}

// all reads the results up to the end, a semicolon before each.
func (p *resultParser) all() (*authResults, error) {
	var a authResults
	for p.blank(); !p.bad && p.take(';'); p.blank() {
		p.blank()
		if p.rest() == "" {
			break // a semicolon at the end
		}
		if len(a.results) == maxResults {
			return nil, errResults
		}
		r, ok := p.result()
		if ok {
			a.results = append(a.results, r)
		}
	}
	if p.bad || p.rest() != "" {
		return nil, errResults
	}
	return &a, nil
}

// resultParser reads from the front of s. It is bad from its first error on.
type resultParser struct {
	s   string
	i   int
	bad bool
}

func (p *resultParser) rest() string   { return p.s[p.i:] }
func (p *resultParser) at(c byte) bool { return p.i < len(p.s) && p.s[p.i] == c }
func (p *resultParser) take(c byte) bool {
	if !p.at(c) {
		return false
	}
	p.i++
	return true
}

// blank passes over blanks and comments.
func (p *resultParser) blank() {
	for p.i < len(p.s) {
		switch p.s[p.i] {
		case ' ', '\t', '\r', '\n':
			p.i++
		case '(':
			p.comment()
		default:
			return
		}
	}
}

// comment passes over a comment and those in it.
func (p *resultParser) comment() {
	for depth := 0; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '\\':
			p.i++
		case '(':
			depth++
		case ')':
			depth--
		}
		if depth > maxComments {
			break
		}
		if depth == 0 {
			p.i++
			return
		}
	}
	p.i, p.bad = len(p.s), true
}

// word reads a name of letters, digits, hyphens and underscores, in lower case.
func (p *resultParser) word() string {
	begin := p.i
	for p.i < len(p.s) && (mail.IsAlnum(p.s[p.i]) || strings.IndexByte("-_", p.s[p.i]) >= 0) {
		p.i++
	}
	return strings.ToLower(p.s[begin:p.i])
}

// property reads "ptype.property", or a name without a type.
func (p *resultParser) property() string {
	name := p.word()
	for p.blank(); p.take('.'); p.blank() {
		p.blank()
		name += "." + p.word()
	}
	return name
}

// value reads quoted strings and other characters up to a blank, a comment or a
// semicolon: a token, an address or the name of a domain.
func (p *resultParser) value() string {
	p.blank()
	var b strings.Builder
	for p.i < len(p.s) {
		switch c := p.s[p.i]; {
		case strings.IndexByte(" \t\r\n;(", c) >= 0:
			return b.String()
		case c == '"':
			p.quoted(&b)
		case c < ' ' || c == 0x7f || c == '\\' || c == ')':
			p.i, p.bad = len(p.s), true
		default:
			b.WriteByte(c)
			p.i++
		}
	}
	return b.String()
}

// quoted reads a quoted string.
func (p *resultParser) quoted(b *strings.Builder) {
	for p.i++; p.i < len(p.s); p.i++ {
		switch p.s[p.i] {
		case '"':
			p.i++
			return
		case '\\':
			if p.i++; p.i == len(p.s) {
				break
			}
		}
		if p.i < len(p.s) {
			b.WriteByte(p.s[p.i])
		}
	}
	p.i, p.bad = len(p.s), true
}

// result reads one result; ok is false for "none", which says that there is none.
func (p *resultParser) result() (r methodResult, ok bool) {
	r = methodResult{properties: map[string]string{}}
	r.method = p.word()
	p.blank()
	if r.method == none && (p.at(';') || p.rest() == "") {
		return r, false
	}
	if p.take('/') { // the version of the method
		if p.blank(); p.word() != "1" {
			return r, p.fail()
		}
		p.blank()
	}
	if r.method == "" || !p.take('=') {
		return r, p.fail()
	}
	p.blank()
	if r.result = p.word(); r.result == "" {
		return r, p.fail()
	}
	for p.blank(); !p.bad && !p.at(';') && p.rest() != ""; p.blank() {
		name := p.property()
		if name == "" || !p.take('=') || len(r.properties) == maxProperties {
			return r, p.fail()
		}
		value := p.value()
		if _, twice := r.properties[name]; twice {
			return r, p.fail()
		}
		r.properties[name] = value
	}
	return r, !p.bad
}

func (p *resultParser) fail() bool {
	p.bad = true
	return false
}

// of returns the results of a method.
func (a *authResults) of(method string) []methodResult {
	var out []methodResult
	if a != nil {
		for _, r := range a.results {
			if r.method == method {
				out = append(out, r)
			}
		}
	}
	return out
}

// domain returns the domain of the first property that is there: an address, what
// follows an @, or the name itself.
func (r methodResult) domain(properties ...string) string {
	for _, name := range properties {
		if v, ok := r.properties[name]; ok {
			return domainName(strings.Trim(v[strings.LastIndexByte(v, '@')+1:], "<>"))
		}
	}
	return ""
}
