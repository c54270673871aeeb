package gate_test

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// What a mail answers stands in the bytes that a door brings, whichever it is.
func TestNoMailThatAnswersAProgramIsTaken(t *testing.T) {
	h := build(t)
	for id, field := range map[string]string{
		"robot@dest.test": "Auto-Submitted: auto-replied\r\n", "ada@dest.test": ""} {
		d := brought(h.Box.String())
		d.From = mail.MustAddress(id)
		d.Raw = []byte("From: " + id + "\r\nTo: " + h.Box.String() + "\r\nMessage-ID: <" + id + ">\r\n" + field +
			"Subject: Hello\r\n\r\nGood evening.\r\n")
		if _, err := h.Gate.Receive(h.ctx, d); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		fields, to string
		refused    bool
	}{
		"a new mail":             {"Subject: s\r\n", "robot@dest.test", false},
		"a person":               {"In-Reply-To: <ada@dest.test>\r\n", "ada@dest.test", false},
		"In-Reply-To":            {"In-Reply-To: <robot@dest.test>\r\n", "ada@dest.test", true},
		"the second id of it":    {"In-Reply-To: <ada@dest.test> <robot@dest.test>\r\n", "ada@dest.test", true},
		"on a line of its own":   {"In-Reply-To: your mail\r\n\t<robot@dest.test>\r\n", "ada@dest.test", true},
		"the last reference":     {"References: <ada@dest.test>\r\n <robot@dest.test>\r\n", "ada@dest.test", true},
		"the last one known":     {"References: <robot@dest.test> <x@x.test>\r\n", "ada@dest.test", true},
		"both unknown":           {"In-Reply-To: <x@x.test>\r\nReferences: <y@x.test>\r\n", "robot@dest.test", true},
		"a subject":              {"Subject: Re: s\r\n", "robot@dest.test", true},
		"an encoded subject":     {"Subject: =?utf-8?b?UmU6IHM=?=\r\n", "Robot@dest.test", true},
		"a subject, to a person": {"Subject: Re: s\r\n", "ada@dest.test", false},
	} {
		s := h.Submission(c.to)
		s.Door = "smtp"
		s.Raw = []byte("From: " + h.Box.String() + "\r\nTo: " + c.to + "\r\n" + c.fields + "\r\nI see.\r\n")
		_, err := h.Gate.Submit(h.ctx, h.Agent, s)
		if got := reason(err) == string(mail.ReasonNoAnswer); got != c.refused || err != nil && !c.refused {
			t.Errorf("%s: %v", name, err)
		}
		if c.refused && !strings.Contains(err.Error(), "not to be answered") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
