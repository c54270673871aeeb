package registry

import (
	"strconv"
	"time"

	"github.com/multimail/multimail/audit"
)

// Bounds of what an admin may set for one mailbox.
const (
	MaxQuotaSize  = 1 << 50 // octets
	MaxQuotaCount = 1 << 30 // mails
	MaxRetention  = 100 * 365 * 24 * time.Hour
)

// Keep is what a mailbox keeps of its mail, and for how long. Zero values are those of
// the configuration.
type Keep struct {
	QuotaSize  int64         `json:"quota_size,omitempty"`  // octets of incoming mail
	QuotaCount int           `json:"quota_count,omitempty"` // incoming mails
	Retention  time.Duration `json:"retention,omitempty"`   // of mail that is over
	LegalHold  bool          `json:"legal_hold,omitempty"`  // nothing of it is erased
}

// KeepPatch names what changes; nil leaves a value as it is, and zero is that of the
// configuration again.
type KeepPatch struct {
	QuotaSize  *int64
	QuotaCount *int
	Retention  *time.Duration
	LegalHold  *bool
}

// liftsHold reports whether a patch ends a legal hold, and changes nothing else.
func (patch MailboxPatch) liftsHold() bool {
	lifts := patch.LegalHold != nil && !*patch.LegalHold
	patch.LegalHold = nil
	return lifts && patch == MailboxPatch{}
}

func (patch KeepPatch) apply(k *Keep) error {
	if v := patch.QuotaSize; v != nil {
		if *v < 0 || *v > MaxQuotaSize {
			return in(ErrInvalid, "a quota is up to %d octets", int64(MaxQuotaSize))
		}
		k.QuotaSize = *v
	}
	if v := patch.QuotaCount; v != nil {
		if *v < 0 || *v > MaxQuotaCount {
			return in(ErrInvalid, "a quota is up to %d mails", MaxQuotaCount)
		}
		k.QuotaCount = *v
	}
	if v := patch.Retention; v != nil {
		if *v < 0 || *v > MaxRetention || *v > 0 && *v < 24*time.Hour {
			return in(ErrInvalid, "mail is kept for a day up to a hundred years")
		}
		k.Retention = *v
	}
	if patch.LegalHold != nil {
		k.LegalHold = *patch.LegalHold
	}
	return nil
}

// mayKeep: what is kept is set by an admin, a legal hold too; only who oversees lifts one.
func (r *Registry) mayKeep(p Principal, before, after Mailbox) error {
	a, b := after.Keep, before.Keep
	if b.LegalHold && !a.LegalHold && !loosen(before.Address)(p) {
		return errLoosen("to lift a legal hold")
	}
	if a.LegalHold && !b.LegalHold && !either(configure, loosen(before.Address))(p) {
		return in(ErrForbidden, "a legal hold is set by an admin")
	}
	a.LegalHold = b.LegalHold
	if a != b && !configure(p) {
		return in(ErrForbidden, "what a mailbox keeps is set by an admin")
	}
	return nil
}

// facts are those of an entry that says what a mailbox keeps.
func (k Keep) facts(to details) {
	to["quota_size"], to["quota_count"] = strconv.FormatInt(k.QuotaSize, 10), strconv.Itoa(k.QuotaCount)
	to["retention"], to["legal_hold"] = k.Retention.String(), strconv.FormatBool(k.LegalHold)
}

// statedKeep adds what an entry says a mailbox keeps; what is as in the configuration is
// as in a record that does not say it.
func statedKeep(out map[string]string, e audit.Record, box string) {
	for fact, none := range map[string]string{
		"quota_size": "0", "quota_count": "0", "retention": "0s", "legal_hold": "false",
	} {
		if v, said := e.Facts[fact]; said {
			if v == none {
				v = ""
			}
			out[fact+" of "+box] = v
		}
	}
}
