package daemon

import (
	"context"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// sendCode mails a code to the operator while a client waits. What holds the code is in
// memory until the next hop has it, or has not.
func (d *Daemon) sendCode(ctx context.Context, domain, ref string, n message.CodeNotice) error {
	ctx, cancel := context.WithTimeout(ctx, tellTime)
	defer cancel()
	return d.tellOperator(ctx, domain, ref, n.To, n.Now, func(from mail.Address) []byte {
		n.From = from
		return n.Render()
	})
}
