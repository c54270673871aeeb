package search

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode"

	"github.com/multimail/multimail/mail"
)

// Bounds of a query.
const (
	maxQuery = 1000 // octets
	maxTerms = 32   // parts, of 32 words each
	maxWords = 32
)

// query is what somebody looks for, in the terms of the index.
type query struct {
	must, not     []term
	before, after time.Time // zero: not asked
}

// term is a phrase in some of the columns.
type term struct {
	columns string // names, parted by blanks
	words   string // parted by blanks, nothing but letters, digits and marks
}

// The columns of the index, as an expression names them.
const (
	everywhere = "subject author recipients body"
	kindColumn = "kind"
	// attachment is a word of kindColumn, as is the name that boxWord gives a mailbox.
	attachment = "attachment"
)

// fields are what may stand before a colon, and where they look.
var fields = map[string]string{"from": "author", "to": "recipients", "subject": "subject"}

// parse reads a query: words, "phrases", from: to: subject: before one of these,
// has:attachment, before: and after: with a date, each with "-" before it for what
// must not be there. Nothing else has a meaning: it is a word.
func parse(text string) (q query, err error) {
	if len(text) > maxQuery {
		return q, mail.ErrInvalid.Errorf("query is longer than %d octets", maxQuery).Over(mail.LimitSearchQuery)
	}
	rest, terms := text, 0
	for {
		var p part
		if p, rest = next(rest); p == (part{}) && rest == "" {
			break
		}
		used, err := q.add(p)
		if err != nil {
			return q, err
		}
		if used {
			terms++
		}
		if terms > maxTerms {
			return q, mail.ErrInvalid.Errorf("query has more than %d parts", maxTerms).Over(mail.LimitSearchQuery)
		}
	}
	if terms == 0 {
		return q, mail.ErrInvalid.Errorf("query has no word to look for")
	}
	return q, nil
}

// part is one part of a query as it is written.
type part struct {
	not   bool
	field string // before the colon, "" for none
	text  string
}

// next cuts off the first part of a query. Quotes that do not end, end with it.
func next(s string) (p part, rest string) {
	s = strings.TrimLeftFunc(s, unicode.IsSpace)
	if after, ok := strings.CutPrefix(s, "-"); ok {
		p.not, s = true, after
	}
	if name, after, ok := strings.Cut(s, ":"); ok && isField(strings.ToLower(name)) {
		p.field, s = strings.ToLower(name), after
	}
	if after, ok := strings.CutPrefix(s, `"`); ok {
		p.text, rest, _ = strings.Cut(after, `"`)
		return p, rest
	}
	end := strings.IndexFunc(s, func(r rune) bool { return unicode.IsSpace(r) || r == '"' })
	if end < 0 {
		end = len(s)
	}
	p.text = s[:end]
	return p, s[end:]
}

func isField(name string) bool {
	return fields[name] != "" || name == "has" || name == "before" || name == "after"
}

// add adds a part, and reports whether it says anything.
func (q *query) add(p part) (bool, error) {
	switch p.field {
	case "before", "after":
		day, err := time.Parse(time.DateOnly, p.text)
		if err != nil || p.not {
			return false, mail.ErrInvalid.Errorf("%s: needs a day, such as %[1]s:2026-05-31", p.field)
		}
		if p.field == "before" {
			q.before = day
		} else {
			q.after = day
		}
		return true, nil
	case "has":
		if !strings.EqualFold(p.text, attachment) {
			return false, mail.ErrInvalid.Errorf("has: takes nothing but attachment")
		}
		q.put(p.not, term{kindColumn, attachment})
		return true, nil
	}
	t := term{everywhere, phrase(p.text)}
	if p.field != "" {
		t.columns = fields[p.field]
	}
	if strings.Count(t.words, " ") >= maxWords {
		return false, mail.ErrInvalid.Errorf("a phrase of query has more than %d words", maxWords).Over(mail.LimitSearchQuery)
	}
	if t.words != "" {
		q.put(p.not, t)
	}
	return t.words != "", nil
}

func (q *query) put(not bool, t term) {
	if not {
		q.not = append(q.not, t)
	} else {
		q.must = append(q.must, t)
	}
}

// match returns the expression of FTS5 that finds mail of one mailbox. What the
// user wrote is in it as words between quotes alone, and words hold no quotes.
func (q *query) match(box mail.Address) string {
	var b strings.Builder
	b.WriteString("(" + term{kindColumn, boxWord(box)}.String())
	for _, t := range q.must {
		b.WriteString(" AND " + t.String())
	}
	b.WriteString(")")
	for _, t := range q.not {
		b.WriteString(" NOT " + t.String())
	}
	return b.String()
}

func (t term) String() string { return "({" + t.columns + "} : \"" + t.words + "\")" }

// boxWord is the word by which the mail of a mailbox is found, in a column that no
// query names.
func boxWord(box mail.Address) string {
	h := sha256.Sum256([]byte(box.Key()))
	return "m" + hex.EncodeToString(h[:16])
}
