package gate

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Put puts an incoming mail that no door makes.
func Put(g *Gate, tx store.Tx, m *mail.Mail, raw store.Staged) error { return g.receive(tx, m, raw) }

// Render sets how g renders notices.
func Render(g *Gate, render func(message.Notice) []byte) { g.render = render }

// Capabilities is what a release says that the agent of a mailbox may do.
func Capabilities(m mail.Mode) []string { return capabilities(m) }

// WarmUpDays are the days of a domain of which something is kept, in order.
func WarmUpDays(tx store.Tx, domain string) ([]string, error) {
	b, err := warmUpSpace.Get(tx, "warmup/"+domain)
	if err != nil {
		return nil, err
	}
	var days map[string]int
	err = json.Unmarshal(b, &days)
	return slices.Sorted(maps.Keys(days)), err
}
