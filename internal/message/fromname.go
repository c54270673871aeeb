package message

import (
	"errors"
	"time"

	"github.com/multimail/multimail/mail"
)

// CheckFromName says why Compose or Read would refuse a mail from a under this
// display name, or "". It composes and reads one, so that it can never disagree.
func CheckFromName(name string, a mail.Address) string {
	raw, err := Compose(Draft{From: a, FromName: name, To: []mail.Address{a}, Subject: "x", Markdown: "x"})
	if err == nil {
		_, err = Read(raw, ReadOptions{Now: time.Unix(0, 0)})
	}
	var e *mail.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &e):
		return e.Public
	}
	return "it cannot stand in a From field"
}
