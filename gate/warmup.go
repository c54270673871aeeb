package gate

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// How many recipients the mail of a new domain may have in one day of UTC, in each of the
// stages that follow each other from the day on which the domain was added.
var warmUpLimits = [...]int{50, 500, 5000}

const (
	day         = 24 * time.Hour
	warmUpStage = 10 // days
)

// WarmUp is why a mail is refused whose domain is new: the cause of an error of
// mail.ReasonWarmUp.
type WarmUp struct {
	Stage int           // from 1
	Sent  int           // recipients of the mail of that day, so far
	Limit int           // of them
	Wait  time.Duration // until the day is over
}

func (w *WarmUp) Error() string {
	return fmt.Sprintf("warm-up stage %d: %d of %d recipients", w.Stage, w.Sent, w.Limit)
}

var warmUpSpace = store.NewSpace("warmup/") // + domain: recipients by day

// warmUp is what the mail of a domain has had so far.
type warmUp struct {
	key  string
	days map[string]int // recipients by the day on which they are to get their mail
}

// warming refuses a mail whose domain is new and has reached enough recipients on the day on
// which the mail is to leave. It returns what to keep once the mail is in: nil for a domain
// that is not new.
//
// A recipient counts when the mail is taken, and stays counted whatever becomes of the mail.
func (g *Gate) warming(tx store.Tx, m *mail.Mail) (*warmUp, error) {
	if !g.o.WarmUp {
		return nil, nil
	}
	domain, err := g.reg.Domain(tx, m.Mailbox.Domain())
	if err != nil {
		return nil, fmt.Errorf("gate: domain of %s: %w", m.ID, err)
	}
	now := tx.Now().UTC()
	at := later(now, m.NotBefore).Truncate(day)
	stage := max(0, int(at.Sub(domain.CreatedAt.UTC().Truncate(day))/(warmUpStage*day)))
	if stage >= len(warmUpLimits) {
		return nil, nil
	}
	w := &warmUp{"warmup/" + domain.Name, map[string]int{}}
	b, err := warmUpSpace.Get(tx, w.key)
	if err == nil {
		err = json.Unmarshal(b, &w.days)
	}
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, fmt.Errorf("gate: warm-up of %s: %w", domain.Name, err)
	}
	name, n, limit := at.Format(time.DateOnly), len(authored(m)), warmUpLimits[stage]
	if sent := w.days[name]; sent+n > limit {
		return nil, errWarmUp.Because(&WarmUp{stage + 1, sent, limit, at.Add(day).Sub(now)})
	}
	w.days[name] += n
	for name := range w.days {
		if name < now.Format(time.DateOnly) {
			delete(w.days, name)
		}
	}
	return w, nil
}

// warm counts a mail that comes in.
func (g *Gate) warm(tx store.Tx, m *mail.Mail) error {
	w, err := g.warming(tx, m)
	if err != nil || w == nil {
		return err
	}
	b, err := json.Marshal(w.days)
	if err != nil {
		return err
	}
	return warmUpSpace.Put(tx, w.key, b)
}
