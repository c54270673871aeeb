package audit

import (
	"fmt"
	"slices"
	"strings"
)

// Kind says what an entry records. The table below is the closed vocabulary:
// nobody writes an entry of a kind, a fact or a private field that is not in it.
// A kind that was ever written is never removed, or old logs would not verify.
type Kind string

// The kinds that change a mail: each transition has exactly one (invariant 2), and
// nothing else has them. gate/step names them too, as step.Kind, because it may
// import mail alone; a test holds the two lists equal.
const (
	MailSubmit  Kind = "mail.submit"
	MailReceive Kind = "mail.receive"
	MailHold    Kind = "mail.hold"
	MailApprove Kind = "mail.approve"
	MailReject  Kind = "mail.reject"
	MailCancel  Kind = "mail.cancel"
	MailExpire  Kind = "mail.expire"
	MailClaim   Kind = "mail.claim"
	MailRetry   Kind = "mail.retry"
	MailLapse   Kind = "mail.lapse"
	MailSent    Kind = "mail.sent"
	MailFailed  Kind = "mail.failed"
	MailReport  Kind = "mail.report"
	MailBounce  Kind = "mail.bounce"
	MailClear   Kind = "mail.clear"
	MailErase   Kind = "mail.erase"
)

// The kinds that never change the state of a mail: refusals, reads, policy,
// credentials, the daemon.
const (
	SubmitRefuse      Kind = "submit.refuse"
	DecideRefuse      Kind = "decide.refuse"
	PolicyRefuse      Kind = "policy.refuse"
	RefuseOmit        Kind = "refuse.omit"
	ContentRead       Kind = "content.read"
	ModeTighten       Kind = "mode.tighten"
	ModeLoosen        Kind = "mode.loosen"
	AllowAdd          Kind = "allow.add"
	AllowRemove       Kind = "allow.remove"
	Freeze            Kind = "freeze"
	Thaw              Kind = "thaw"
	Retry             Kind = "retry"
	OperatorSet       Kind = "operator.set"
	DomainAdd         Kind = "domain.add"
	DomainRemove      Kind = "domain.remove"
	DomainPin         Kind = "domain.pin"
	DomainUnpin       Kind = "domain.unpin"
	DomainVerify      Kind = "domain.verify"
	DomainFail        Kind = "domain.fail"
	DomainLapse       Kind = "domain.lapse"
	AgentAdd          Kind = "agent.add"
	AgentDisable      Kind = "agent.disable"
	AgentEnable       Kind = "agent.enable"
	AgentPassword     Kind = "agent.password"
	MailboxAdd        Kind = "mailbox.add"
	MailboxSet        Kind = "mailbox.set"
	MailboxGrant      Kind = "mailbox.grant"
	MailboxDelete     Kind = "mailbox.delete"
	KeyCreate         Kind = "key.create"
	KeySet            Kind = "key.set"
	KeyRevoke         Kind = "key.revoke"
	BindingAdd        Kind = "binding.add"
	BindingEnd        Kind = "binding.end"
	GrantAdd          Kind = "grant.add"
	GrantEnd          Kind = "grant.end"
	ClientAdd         Kind = "client.add"
	ClientRotate      Kind = "client.rotate"
	ClientRemove      Kind = "client.remove"
	CertificateAdd    Kind = "certificate.add"
	CertificateRevoke Kind = "certificate.revoke"
	ApproverAdd       Kind = "approver.add"
	AuthFail          Kind = "auth.fail"
	NoticeDrop        Kind = "notice.drop"
	ClockDoubt        Kind = "clock.doubt"
	ClockTrust        Kind = "clock.trust"
	ClockAccept       Kind = "clock.accept"
	StoreStart        Kind = "store.start"
	ContactDelete     Kind = "contact.delete"
	SearchRebuild     Kind = "search.rebuild"
	SuppressAdd       Kind = "suppress.add"
	SuppressRemove    Kind = "suppress.remove"
	WebhookAdd        Kind = "webhook.add"
	WebhookRotate     Kind = "webhook.rotate"
	WebhookRemove     Kind = "webhook.remove"
	WebhookDisable    Kind = "webhook.disable"
	WebhookResend     Kind = "webhook.resend"
	CodeRequest       Kind = "code.request"
	CodeRedeem        Kind = "code.redeem"
	CodeRefuse        Kind = "code.refuse"
	CodeVoid          Kind = "code.void"
	AccountClose      Kind = "account.close"

	SigningKeyAdd    Kind = "signing_key.add"
	SigningKeyRotate Kind = "signing_key.rotate"
	SigningKeyRevoke Kind = "signing_key.revoke"
	SigningKeyDrop   Kind = "signing_key.drop"
	SigningKeyDiffer Kind = "signing_key.differ"
)

// declaration is what entries of one kind hold. The names of facts and of
// private fields are separated by blanks. A name that ends in # is a family:
// a number stands in the place of #.
type declaration struct {
	kind    Kind
	meaning string
	must    string // facts that every entry has
	may     string // facts that an entry may have
	private string // personal data; each may be missing
}

// Facts that many kinds have.
const (
	// decided are the inputs of gate/step and what it made of them.
	decided = "table direction notice event from to mode basis basis_after delivered " +
		"frozen listed due late intact match self pending owed unverified overdue spam kept deferred copy_only"
	attempt = "attempt stopped uncertain"
)

// anyPrivate are the private fields of every kind: from where it was asked, the
// id of the credential that asked, the person whose token it was, who asked for what an
// operator let pass by a code, and the trace that the client named. The id of an
// actor that is a person is written by Append.
const anyPrivate = "ip credential person requester trace"

var declarations = [...]declaration{
	{MailSubmit, "a door brought it: held, or ready at once", decided + " door agent", "replaces",
		"mailbox rcpts subject issuer tenant client blueprint shape"},
	{MailReceive, "mail came in for a mailbox: held, quarantined, or received at once", decided,
		"about action upgraded door hop spf dkim dmarc arc identity verdict", "mailbox from subject"},
	{MailHold, "ready before, held again", decided, "doubt", ""},
	{MailApprove, "an approver approved it", decided, "", "reason"},
	{MailReject, "an approver rejected it", decided, "", "reason"},
	{MailCancel, "withdrawn", decided, "replaced_by", ""},
	{MailExpire, "nobody decided in time", decided, "", ""},
	{MailClaim, "a worker attempts it", decided, "", ""},
	{MailRetry, "the attempt is over, a recipient is still pending", decided, attempt, "rcpt#"},
	{MailLapse, "the lease of the attempt ran out", decided, "uncertain", ""},
	{MailSent, "nobody is pending, a recipient got it", decided, attempt, "rcpt#"},
	{MailFailed, "nobody is pending, no recipient got it", decided, attempt, "rcpt#"},
	{MailReport, "its reader took a received mail for spam", decided, "", ""},
	{MailBounce, "a recipient that counted as delivered did not get it", decided, "report enhanced", "rcpt# reporter"},
	{MailClear, "an approver called a received mail clean", decided, "", "reason"},
	{MailErase, "its time was over: its bytes and what was personal in its record are gone", decided, "", ""},

	{SubmitRefuse, "a submission was refused", "", "reason door code enhanced", "from text"},
	{DecideRefuse, "a decision was refused", "op", "reason door code event", "text"},
	{PolicyRefuse, "another operation was refused: on policy, a credential or a mail", "op", "reason door code", "text"},
	{RefuseOmit, "how many refusals of one principal have no entry", "omitted since", "", ""},
	{ContentRead, "somebody else than its agent read a mail", "door view", "", ""},
	{ModeTighten, "a mailbox got a mode that oversees no kind of mail less", "from to epoch", "", "mailbox"},
	{ModeLoosen, "a mailbox got a mode that oversees some mail less", "from to epoch", "", "mailbox"},
	{AllowAdd, "an allowlist got a pattern", "allow covers epoch", "", "mailbox pattern note"},
	{AllowRemove, "an allowlist lost a pattern", "allow covers epoch", "", "mailbox pattern note"},
	{Freeze, "everything in a scope was stopped", "scope epoch", "agent domain", "mailbox reason"},
	{Thaw, "a freeze ended", "scope epoch", "agent domain", "mailbox"},
	{Retry, "an operator made a mail that waits for its next attempt due at once", "", "", ""},
	{OperatorSet, "the operator was named, or its oversight or postal address set", "operator oversight epoch", "",
		"oversight physical_address"},
	{DomainAdd, "a sending domain was added", "domain", "", ""},
	{DomainRemove, "a sending domain without mailboxes was removed", "domain", "", ""},
	{DomainPin, "a domain was pinned as internal: it sends without being verified", "domain epoch", "", ""},
	{DomainUnpin, "a domain is not internal any more", "domain epoch", "", ""},
	{DomainVerify, "the DNS shows that a domain is ours, for the first time or again", "domain epoch", "", ""},
	{DomainFail, "the DNS does not show any more that a domain is ours", "domain", "", ""},
	{DomainLapse, "it has not been shown for so long that the domain is not verified any more", "domain epoch", "", ""},
	{AgentAdd, "an agent was added", "agent agent_ref", "", ""},
	{AgentDisable, "an agent was disabled", "agent epoch", "", ""},
	{AgentEnable, "an agent was enabled again", "agent epoch", "", ""},
	{AgentPassword, "an agent got a new password", "agent", "", ""},
	{MailboxAdd, "a mailbox was added", "domain mode agents", "", "mailbox"},
	{MailboxSet, "display name, oversight address, hold, agent_ref, what a mailbox keeps, or what it adds to mail changed",
		"display_name oversight ttl ttl_before",
		"epoch agent_ref quota_size quota_count retention legal_hold gate_timing scheduling mcp_configured",
		"mailbox display_name oversight auto_cc auto_bcc signature"},
	{MailboxGrant, "one more agent may use a mailbox", "agent mode", "", "mailbox"},
	{MailboxDelete, "a mailbox ended; its address is not given out again", "agents", "epoch", "mailbox"},
	{KeyCreate, "an API key was made", "kind scopes", "agent", "label key owner mailboxes"},
	{KeySet, "an API key has another label, or fewer scopes", "kind scopes", "agent", "label key owner mailboxes"},
	{KeyRevoke, "an API key was revoked", "kind scopes", "agent", "label key owner mailboxes"},
	{BindingAdd, "an identity of an issuer was bound to an agent or approver", "kind scopes issuer", "agent",
		"binding tenant object client account owner mailboxes"},
	{BindingEnd, "a binding ended", "kind scopes issuer", "agent",
		"binding tenant object client account owner mailboxes"},
	{GrantAdd, "somebody let an OAuth client act as a principal", "kind scopes", "agent",
		"grant client granted_by granted_with resource owner mailboxes"},
	{GrantEnd, "a grant of an OAuth client ended", "kind scopes why", "agent",
		"grant client granted_by granted_with resource owner mailboxes"},
	{ClientAdd, "an OAuth client was added, or got the first token after it had registered itself", "source method", "",
		"client name redirects"},
	{ClientRotate, "an OAuth client got a new secret", "source method", "", "client name redirects"},
	{ClientRemove, "an OAuth client was removed, and its grants ended", "source method", "", "client name redirects"},
	{CertificateAdd, "a TLS client certificate came to stand for an agent", "agent", "", "certificate pin san"},
	{CertificateRevoke, "a TLS client certificate was revoked", "agent", "", "certificate pin san"},
	{SigningKeyAdd, "a domain has a signing key that it had not", "domain purpose key algorithm state", "", ""},
	{SigningKeyRotate, "a signing key signs from now on, in the place of the one before", "domain purpose key algorithm",
		"before", ""},
	{SigningKeyRevoke, "a signing key was revoked", "domain purpose key algorithm reason", "", ""},
	{SigningKeyDrop, "a signing key that signed no more is no longer published", "domain purpose key state", "", ""},
	{SigningKeyDiffer, "the files of a signing key were changed by something else than the daemon",
		"domain purpose key from to", "", ""},
	{ApproverAdd, "an approver was named for the first time", "", "", "approver"},
	{AuthFail, "a login failed, or a key lacks the scope that a request needs", "door",
		"need route credential_kind unrecorded", "user"},
	{NoticeDrop, "the author could not be notified of what became of a mail", "action", "", ""},
	{ClockDoubt, "the wall clock jumped", "doubt", "", ""},
	{ClockTrust, "the clock is trusted again, by itself", "doubt", "", ""},
	{ClockAccept, "an operator trusts the clock as it is", "doubt door", "", ""},
	{ContactDelete, "a contact of a mailbox was removed by an admin, or with a closed account", "", "", "mailbox address"},
	{SuppressAdd, "a mailbox may not send to an address any more: it cannot be delivered to, or complained",
		"reason code", "", "address mailbox"},
	{SuppressRemove, "a mailbox may send to such an address again", "reason code", "", "address mailbox"},
	{WebhookAdd, "a webhook was added: events are sent to a URL", "webhook format events", "", "url mailbox owner"},
	{WebhookRotate, "a webhook got a new secret; the one before signs for a day more", "webhook format events", "",
		"url mailbox owner"},
	{WebhookRemove, "a webhook was deleted", "webhook format events", "", "url mailbox owner"},
	{WebhookDisable, "a webhook was switched off by the daemon", "webhook format events why", "", "url mailbox owner"},
	{WebhookResend, "somebody had an event sent to a webhook again", "webhook format events", "", "url mailbox owner"},
	{CodeRequest, "an agent asked for what needs a code, and the operator was mailed one", "operation request sum", "",
		"mailbox"},
	{CodeRedeem, "an agent presented the code: its request is carried out as the operator", "operation request sum", "",
		"mailbox"},
	{CodeRefuse, "a code was wrong, or for another request", "operation request sum why wrong", "", "mailbox"},
	{CodeVoid, "a request waits for its code no longer: newer one, too many wrong codes, over time, or policy changed",
		"operation request sum why", "", "mailbox"},
	{AccountClose, "the account was closed for good: no door takes mail, nothing leaves, and contents are erased",
		"epoch", "", ""},
	{StoreStart, "a daemon started on this store", "version", "format", ""},
	{SearchRebuild, "an operator had the search index made anew", "door", "", ""},
}

// rule is a declaration as records are checked against it.
type rule struct {
	must           []string
	facts, private names
}

// rules are the declarations, taken apart once: every entry is checked.
var rules = func() map[Kind]rule {
	out := map[Kind]rule{}
	for _, d := range declarations {
		out[d.kind] = rule{must: strings.Fields(d.must),
			facts: namesOf(d.must, d.may), private: namesOf(d.private, anyPrivate)}
	}
	return out
}()

// names are the single names and the families of a list.
type names struct {
	single   map[string]bool
	families []string
}

func namesOf(lists ...string) names {
	n := names{single: map[string]bool{}}
	for name := range strings.FieldsSeq(strings.Join(lists, " ")) {
		if family, ok := strings.CutSuffix(name, "#"); ok {
			n.families = append(n.families, family)
		} else {
			n.single[name] = true
		}
	}
	return n
}

// has reports whether a name is declared, itself or by its family.
func (n names) has(name string) bool {
	return n.single[name] || slices.ContainsFunc(n.families, func(family string) bool {
		number, ok := strings.CutPrefix(name, family)
		return ok && number != "" && len(number) <= 6 && strings.Trim(number, "0123456789") == ""
	})
}

// Known reports whether the kind belongs to the vocabulary.
func (k Kind) Known() bool {
	_, ok := rules[k]
	return ok
}

// Transition reports whether the kind changes a mail. It is a matter of the
// name, so that it holds for kinds of other versions too.
func (k Kind) Transition() bool { return strings.HasPrefix(string(k), "mail.") }

// check refuses a record with a fact or a private field that its kind does not
// declare, or without one that it must have. What is read from a log is not
// held against this: old entries keep what was declared in their time.
func (l rule) check(r Record) error {
	for _, name := range l.must {
		if _, ok := r.Facts[name]; !ok {
			return fmt.Errorf("the fact %q is missing", name)
		}
	}
	for name := range r.Facts {
		if !l.facts.has(name) {
			return fmt.Errorf("the fact %q is not declared", name)
		}
	}
	for name := range r.Private {
		if !l.private.has(name) {
			return fmt.Errorf("the private field %q is not declared", name)
		}
	}
	return nil
}
