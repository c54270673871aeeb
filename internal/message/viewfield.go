package message

import (
	"strings"

	"github.com/multimail/multimail/mail"
)

// Field is one header field as the approver sees it.
type Field struct {
	Part    string // path of the MIME part; "" for the header of the mail
	Name    string
	Value   string // unfolded, neutralised
	Decoded string // with its encoded-words decoded, where that is another text
	Unusual bool   // not on the list of usual fields, or with an unusual value
}

// maxListed bounds each list of the approver's view in number; what is beyond
// is counted in a warning.
const maxListed = 1000

// anything allows every value.
func anything(string) bool { return true }

// oneOf allows the listed values, without case.
func oneOf(values ...string) func(string) bool {
	return func(v string) bool {
		for _, w := range values {
			if strings.EqualFold(v, w) {
				return true
			}
		}
		return false
	}
}

// usualFields are the fields that every mail program writes, with the values
// that mean nothing beyond what the view shows elsewhere. Everything that is
// not here is shown to the approver unasked.
var usualFields = map[string]func(string) bool{
	"from": anything, "sender": anything, "to": anything, "cc": anything, "reply-to": anything,
	"subject": anything, "date": isDate, "message-id": anything,
	"in-reply-to": isIDList, "references": isIDList,
	"mime-version":              oneOf("1.0"),
	"content-type":              usualParams("boundary", "charset", "format", "delsp", "name", "type", "start"),
	"content-transfer-encoding": oneOf("7bit", "8bit", "binary", "base64", "quoted-printable"),
	"content-language":          anything, "user-agent": anything, "x-mailer": anything,
	"auto-submitted": oneOf("no", "auto-generated", "auto-replied"), "x-ai-generated": oneOf("true"),
}

// usualPartFields are those of a part that is no message.
var usualPartFields = map[string]func(string) bool{
	"mime-version": oneOf("1.0"), "content-type": usualFields["content-type"],
	"content-transfer-encoding": usualFields["content-transfer-encoding"],
	"content-disposition":       usualParams("filename", "size", "creation-date", "modification-date", "read-date"),
	"content-id":                anything, "content-language": anything, "x-attachment-id": anything,
}

// usualParams allows a well-formed value whose parameters are all listed.
func usualParams(names ...string) func(string) bool {
	known := oneOf(names...)
	return func(v string) bool {
		params := parseParams(v)
		for _, name := range params.names {
			if !known(name) {
				return false
			}
		}
		return !params.malformed && params.unclear() == ""
	}
}

// isIDList allows message ids with blanks between them.
func isIDList(v string) bool {
	for _, id := range strings.Fields(v) {
		if parseMessageID(id) == "" {
			return false
		}
	}
	return true
}

func isDate(v string) bool { return !ParseDate(v).IsZero() }

// listFields lists the header fields of an entity. Those of an attached message
// act on nobody, so that none of them is unusual.
func (v *viewer) listFields(e *entity) {
	usual := usualPartFields
	if e == v.root {
		usual = usualFields
	}
	seen := map[string]bool{}
	for _, f := range e.fields {
		name := strings.ToLower(f.name)
		value := f.value()
		allows := usual[name]
		out := Field{Name: mail.NeutralLine(f.name), Value: mail.NeutralLine(value),
			Unusual: !v.messages[e] && (allows == nil || seen[name] || !allows(value))}
		if e != v.root {
			out.Part = partPath(e)
		}
		if d := mail.NeutralLine(decodeWords(value)); d != out.Value {
			out.Decoded = d
		}
		seen[name] = true
		if v.fields++; v.fields <= maxListed &&
			v.afford(e, fieldSize+shownSize(out.Name)+shownSize(out.Value)+shownSize(out.Decoded)) {
			v.review.Fields = append(v.review.Fields, out)
		}
		if out.Unusual && !asksReceipt(name) {
			v.warn.Add(WarnField, out.Part, "%s: %s", cutText(out.Name, 80), out.Value)
		}
	}
}

func asksReceipt(name string) bool {
	for _, n := range receiptFields {
		if n == name {
			return true
		}
	}
	return false
}
