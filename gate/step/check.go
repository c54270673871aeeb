package step

import (
	"encoding"
	"fmt"
	"strconv"

	"github.com/multimail/multimail/mail"
)

// rules are the decision tables by version. Version 1 knew outgoing mail only,
// version 2 no domain that is not verified, version 3 no spam and no erasure, version 4 no mail
// that is asked about later; each decided what it knew as version 5 does. One function serves
// all, and an entry that names an earlier version cannot speak of what came later.
var rules = map[string]func(Facts, Event) Outcome{"1": Step, "2": Step, "3": Step, "4": Step, "5": Step}

// Check replays one recorded transition: from its facts the rules that decided
// it must give what was recorded. An entry without the fact "table" is of
// version 1. Facts that the rules do not read are left alone.
func Check(kind string, facts map[string]string) error {
	r := reader{facts: facts}
	version := "1"
	if v, ok := facts["table"]; ok {
		version = v
	}
	decide, known := rules[version]
	if !known {
		return fmt.Errorf("decided by version %q of the rules, which this program does not know", version)
	}
	event := r.event()
	var to State
	var after mail.Basis
	f := Facts{
		Frozen: r.flag("frozen"), Listed: r.flag("listed"), Due: r.flag("due"), Late: r.flag("late"),
		Intact: r.flag("intact"), Match: r.flag("match"), Self: r.flag("self"),
		Pending: r.flag("pending"), Owed: r.flag("owed"), Delivered: r.progress(),
	}
	if version > "1" {
		r.text("direction", &f.Direction)
		f.Notice = r.flag("notice")
	}
	if version > "2" {
		f.Unverified, f.Overdue = r.flag("unverified"), r.flag("overdue")
	}
	if version > "3" {
		f.Spam, f.Kept = r.flag("spam"), r.flag("kept")
	}
	if version > "4" {
		f.Deferred = r.flag("deferred")
	}
	r.text("from", &f.State)
	r.text("mode", &f.Mode)
	r.text("basis", &f.Basis)
	r.text("to", &to)
	r.text("basis_after", &after)
	copyOnly := r.flag("copy_only")
	if r.err != nil {
		return r.err
	}
	out := decide(f, event)
	want := Outcome{State: to, Basis: after, Answer: Done, Kind: Kind(kind), CopyOnly: copyOnly}
	switch {
	case out.Answer != Done:
		return fmt.Errorf("on these facts %s changes nothing (%s)", event, out.Answer)
	case out != want:
		return fmt.Errorf("on these facts %s gives %s, %s on %s, not %s, %s on %s",
			event, out.Kind, out.State, out.Basis, kind, to, after)
	}
	return nil
}

// reader reads recorded facts and keeps the first fault.
type reader struct {
	facts map[string]string
	err   error
}

func (r *reader) fault(name string) {
	if r.err == nil {
		r.err = fmt.Errorf("the fact %q is missing or malformed: %q", name, r.facts[name])
	}
}

// flag reads "true" or "false" and no other spelling.
func (r *reader) flag(name string) bool {
	v := r.facts[name]
	if v != "true" && v != "false" {
		r.fault(name)
	}
	return v == "true"
}

func (r *reader) text(name string, to encoding.TextUnmarshaler) {
	if to.UnmarshalText([]byte(r.facts[name])) != nil {
		r.fault(name)
	}
}

func (r *reader) event() Event {
	for _, e := range Events {
		if e.String() == r.facts["event"] {
			return e
		}
	}
	r.fault("event")
	return Submit
}

func (r *reader) progress() Progress {
	for p := None; p <= All; p++ {
		if strconv.Itoa(int(p)) == r.facts["delivered"] {
			return p
		}
	}
	r.fault("delivered")
	return None
}
