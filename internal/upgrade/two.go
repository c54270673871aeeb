package upgrade

import "context"

// fromTwo counts anew what every mailbox has: received mail was in no tally before.
func (u Upgrader) fromTwo(ctx context.Context) error { return u.DB.Update(ctx, u.Ledger.Recount) }
