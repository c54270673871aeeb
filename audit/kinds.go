package audit

// The kinds of entries that change a mail: each transition has exactly one
// (LAW 2), and nothing else has them.
const (
	MailSubmit  = "mail.submit"  // a door brought it: held, or ready at once
	MailHold    = "mail.hold"    // ready before, held again
	MailApprove = "mail.approve" // an approver said yes
	MailReject  = "mail.reject"  // an approver said no
	MailCancel  = "mail.cancel"  // withdrawn
	MailExpire  = "mail.expire"  // nobody decided in time
	MailClaim   = "mail.claim"   // a worker attempts it
	MailRetry   = "mail.retry"   // the attempt is over, somebody is still pending
	MailLapse   = "mail.lapse"   // the lease of the attempt ran out
	MailSent    = "mail.sent"    // nobody pending, somebody got it
	MailFailed  = "mail.failed"  // nobody pending, nobody got it
)

// The kinds that never change a mail: refusals, reads, policy, credentials.
const (
	SubmitRefuse  = "submit.refuse"
	DecideRefuse  = "decide.refuse"
	PolicyRefuse  = "policy.refuse" // a change of policy or of a credential was refused
	RefuseOmit    = "refuse.omit"   // how many refusals were left out
	ContentRead   = "content.read"
	ContentErase  = "content.erase" // the openings of a mail are gone from here on
	ModeTighten   = "mode.tighten"
	ModeLoosen    = "mode.loosen"
	AllowAdd      = "allow.add"
	AllowRemove   = "allow.remove"
	Freeze        = "freeze"
	Thaw          = "thaw"
	OperatorSet   = "operator.set"
	DomainAdd     = "domain.add"
	AgentAdd      = "agent.add"
	AgentDisable  = "agent.disable"
	AgentEnable   = "agent.enable"
	AgentPassword = "agent.password"
	MailboxAdd    = "mailbox.add"
	MailboxSet    = "mailbox.set"
	MailboxGrant  = "mailbox.grant"
	KeyCreate     = "key.create"
	KeyRevoke     = "key.revoke"
	ApproverAdd   = "approver.add"
	AuthOK        = "auth.ok"
	AuthFail      = "auth.fail"
	StoreStart    = "store.start"
	NoticeDrop    = "notice.drop"  // the author could not be told of an end
	ClockDoubt    = "clock.doubt"  // the wall clock jumped
	ClockTrust    = "clock.trust"  // it is trusted again, by itself
	ClockAccept   = "clock.accept" // an operator trusts it as it is
)

// kinds is the closed vocabulary. A kind is never removed: old logs hold it.
var kinds = [...]string{
	MailSubmit, MailHold, MailApprove, MailReject, MailCancel, MailExpire,
	MailClaim, MailRetry, MailLapse, MailSent, MailFailed,
	SubmitRefuse, DecideRefuse, PolicyRefuse, RefuseOmit, ContentRead, ContentErase,
	ModeTighten, ModeLoosen, AllowAdd, AllowRemove, Freeze, Thaw,
	OperatorSet, DomainAdd,
	AgentAdd, AgentDisable, AgentEnable, AgentPassword,
	MailboxAdd, MailboxSet, MailboxGrant,
	KeyCreate, KeyRevoke, ApproverAdd, AuthOK, AuthFail, StoreStart, NoticeDrop,
	ClockDoubt, ClockTrust, ClockAccept,
}

// Known reports whether a kind belongs to the vocabulary.
func Known(kind string) bool {
	for _, k := range kinds {
		if k == kind {
			return true
		}
	}
	return false
}
