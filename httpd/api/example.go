package api

import (
	"reflect"
	"strings"
	"time"
)

// examples are the texts that stand for members of these names in an example. A text of
// another name is "text".
var examples = map[string]string{
	"action": "approve", "address": "bot@example.com", "agent": "invoices", "answer": "yes",
	"content_base64": "SGVsbG8uCg==", "content_type": "text/plain", "code": "invalid", "cursor": "eyJhIjoxfQ",
	"digest":    "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
	"direction": "outbound", "domain": "example.com", "email": "ada@example.org", "error": "the subject is missing",
	"filename": "report.txt", "from": "bot@example.com", "hint": "give a subject", "id": "01KB3ZVQ9N5X7T8M2R4C6W1E0D",
	"idempotency_key": "invoice-2026-0042", "mailbox": "bot@example.com", "mailbox_id": "bot@example.com",
	"markdown": "Good *morning*.", "mode": "gated_send", "name": "report.txt", "oversight_mode": "gated_send",
	"pattern": "*@example.org", "reason": "asked by the operator", "ref": "XJ5K2QPLM7",
	"send_at": "2026-12-01T09:00:00Z", "state": "held", "status": StatusHeld, "subject": "Invoice 42",
	"text": "Good morning.", "thread_id": "01KB3ZVQ9N5X7T8M2R4C6W1E0D",
}

// addressLists hold addresses.
var addressLists = map[string]bool{"to": true, "cc": true, "bcc": true, "reply_to": true}

// exampleOf returns an example of a type as encoding/json writes it: what is required of
// an object, and no more. name is that of the member, "" for the whole.
func exampleOf(name string, t reflect.Type) any {
	if t == reflect.TypeFor[time.Time]() {
		return "2026-12-01T09:00:00Z"
	}
	switch t.Kind() {
	case reflect.Pointer:
		return exampleOf(name, t.Elem())
	case reflect.Bool:
		return false
	case reflect.Int, reflect.Int64, reflect.Uint64, reflect.Float64:
		return 1
	case reflect.Map:
		return map[string]any{"customer": exampleOf("", t.Elem())}
	case reflect.Slice:
		if addressLists[name] {
			return []any{"ada@example.org"}
		}
		return []any{exampleOf(strings.TrimSuffix(name, "s"), t.Elem())}
	case reflect.Struct:
		object := map[string]any{}
		for _, f := range jsonFields(t) {
			if f.required || f.name == "code" || f.name == "hint" {
				object[f.name] = exampleOfMember(f)
			}
		}
		return object
	}
	if text, ok := examples[name]; ok {
		return text
	}
	return "text"
}

func exampleOfMember(f jsonField) any {
	if f.typ.Kind() == reflect.String && len(f.enum) > 0 {
		return f.enum[0]
	}
	return exampleOf(f.name, f.typ)
}
