package gate

import (
	"context"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
)

// VerifyLog checks the audit log: its chains, every decision in it, and the
// records of the mails against it.
func (g *Gate) VerifyLog(ctx context.Context) (audit.Report, error) {
	return g.log.Verify(ctx, g.db, audit.Options{Replay: step.Check, Records: g.q.Standings})
}
