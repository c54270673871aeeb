package httpd

import (
	"slices"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// What a mailbox adds to a draft. The gate adds its copies to the envelope, by whichever
// door a mail comes; what stands in the header is added here, where there is no header yet.

// withAutoCC is who stands in Cc: whom the draft names, and the copy to the operator.
func withAutoCC(lists [3][]mail.Address, m registry.Mailbox) []mail.Address {
	if m.AutoCC.IsZero() {
		return lists[1]
	}
	for _, list := range lists[:2] {
		if slices.ContainsFunc(list, func(a mail.Address) bool { return a.Key() == m.AutoCC.Key() }) {
			return lists[1]
		}
	}
	return append(slices.Clone(lists[1]), m.AutoCC)
}

// timingOf says when an approver is asked about a draft.
func timingOf(m registry.Mailbox, d api.Draft) (mail.Timing, error) {
	switch {
	case d.SendAt == "" && d.GateTiming != "":
		return 0, invalid("gate_timing goes with send_at")
	case d.SendAt == "":
		return mail.GateFirst, nil
	case m.Unscheduled:
		return 0, invalid("this mailbox takes no mail for later; leave out send_at, or ask your operator")
	case d.GateTiming == "":
		return m.Timing, nil
	}
	return mail.ParseTiming(d.GateTiming)
}
