package httpd

import (
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// maxPart is how many octets a part of a sender or of a subject may have.
const maxPart = 998

// filter is what a list of a mailbox is to show. The ids of its mail sort by time,
// so times bound the list as ids do, and nothing outside them is read. since bounds it
// too, in the order in which the mailbox got its mail.
type filter struct {
	cursor, since   mail.ID
	before, end     mail.ID // older than before, "" for the newest; newer than end
	status          string
	sender, subject string // parts, in lower case
	attachments     bool
}

// filterOf reads a query.
func filterOf(in api.EmailQuery) (f filter, err error) {
	f = filter{status: in.Status, attachments: in.HasAttachments}
	if f.sender, err = part("sender", in.Sender); err != nil {
		return f, err
	}
	if f.subject, err = part("subject_contains", in.SubjectContains); err != nil {
		return f, err
	}
	if f.cursor, err = queryID("cursor", in.Cursor); err != nil {
		return f, err
	}
	if f.since, err = queryID("since_id", in.SinceID); err != nil {
		return f, err
	}
	before, err := queryDate("date_before", in.DateBefore)
	if err != nil {
		return f, err
	}
	if !before.IsZero() {
		f.before = mail.FirstID(before)
	}
	after, err := queryDate("date_after", in.DateAfter)
	if err != nil {
		return f, err
	}
	if !after.IsZero() { // one millisecond earlier: end itself is not shown
		f.end = mail.FirstID(after.Add(-time.Nanosecond).Truncate(time.Millisecond))
	}
	return f, nil
}

// from is below which id a list by ids begins.
func (f filter) from() mail.ID {
	if f.before != "" && (f.cursor == "" || f.before < f.cursor) {
		return f.before
	}
	return f.cursor
}

// within reports whether an id is between the times of the filter.
func (f filter) within(id mail.ID) bool { return id > f.end && (f.before == "" || id < f.before) }

// part reads a part of a text that is looked for.
func part(name, text string) (string, error) {
	if len(text) > maxPart {
		return "", invalid("%s is longer than %d octets", name, maxPart)
	}
	return strings.ToLower(text), nil
}

// queryDate reads a time, or a day as its first moment in UTC; "" is no time.
func queryDate(name, text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	for _, form := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(form, text); err == nil {
			return t, nil
		}
	}
	return time.Time{}, invalid("%s must be a time like 2026-01-31T08:00:00Z or a day like 2026-01-31", name)
}

// fits reports whether a list shows a mail that is within its times.
func (f filter) fits(v api.Summary) bool {
	switch {
	case f.status == api.StatusFlagged && v.SpamVerdict != api.SpamFlagged:
		return false
	case f.status != api.StatusFlagged && f.status != "" && v.Status != f.status:
		return false
	case f.status == "" && v.Status == api.StatusDeleted:
		return false // what was thrown away is shown only to who asks for it
	case f.attachments && !v.HasAttachments:
		return false
	}
	return (holds(v.From, f.sender) || holds(v.FromName, f.sender)) && holds(v.Subject, f.subject)
}

// holds reports whether a part in lower case is in s, without regard to case.
func holds(s, part string) bool { return part == "" || strings.Contains(strings.ToLower(s), part) }
