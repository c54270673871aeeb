package gate

import (
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
