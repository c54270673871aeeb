package gate

import (
	"context"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
)

// MendLog adds to the index of the audit log what is missing there, and says how
// many entries that were. A claim asks the log by mail: see doubt. An error says
// that the log is damaged.
func (g *Gate) MendLog(ctx context.Context) (mended int, err error) { return g.log.Reindex(ctx, g.db) }

// CheckSettings compares the settings with what the audit log says of them.
func (g *Gate) CheckSettings(ctx context.Context) error {
	return g.log.CheckSettings(ctx, g.db, g.reg.Settings())
}

// VerifyLog checks the audit log: its chains, every decision in it, and the
// records of mails and settings against it.
func (g *Gate) VerifyLog(ctx context.Context) (audit.Report, error) {
	return g.log.Verify(ctx, g.db, audit.Options{
		Replay: step.Check, Records: g.q.Standings, Settings: g.reg.Settings()})
}
