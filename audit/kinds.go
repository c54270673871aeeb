package audit

// The kinds of entries that change a mail: each transition has exactly one
// (LAW 2).
const (
	MailSubmit  = "mail.submit"
	MailHold    = "mail.hold"
	MailApprove = "mail.approve"
	MailReject  = "mail.reject"
	MailCancel  = "mail.cancel"
	MailExpire  = "mail.expire"
	MailClaim   = "mail.claim"
	MailRetry   = "mail.retry"
	MailLapse   = "mail.lapse"
	MailSent    = "mail.sent"
	MailFailed  = "mail.failed"
)

// kinds is the closed vocabulary. The second half never changes a mail.
var kinds = map[string]bool{
	MailSubmit: true, MailHold: true, MailApprove: true, MailReject: true, MailCancel: true, MailExpire: true,
	MailClaim: true, MailRetry: true, MailLapse: true, MailSent: true, MailFailed: true,

	"submit.refuse": true, "decide.refuse": true, "content.read": true,
	"mode.tighten": true, "mode.loosen": true, "allow.add": true, "allow.remove": true,
	"freeze": true, "thaw": true,
	"operator.set": true, "domain.add": true, "domain.verify": true,
	"agent.add": true, "agent.disable": true, "agent.enable": true, "agent.password": true,
	"mailbox.add": true, "mailbox.set": true, "mailbox.grant": true,
	"key.create": true, "key.revoke": true, "approver.add": true,
	"auth.ok": true, "auth.fail": true, "store.start": true,
}

// Known reports whether a kind belongs to the vocabulary.
func Known(kind string) bool { return kinds[kind] }
