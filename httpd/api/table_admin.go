package api

// The installation: its operator, domains, agents and keys.
var (
	GetAccount = Add[None, Account](Operations, Operation{
		Name: "get_account", Method: "GET", Path: "/v1/account", Scopes: viewers,
		Summary: "who answers for the installation",
		Tool: &Tool{Title: "Get account status", ReadOnly: true, Idempotent: true, Scopes: oneOf(ScopeRead),
			Description: "Show who operates this mail server, and the address that gets copies of monitored mail."}})

	UpdateAccount = Add[AccountPatch, Account](Operations, Operation{
		Name: "update_account", Method: "PATCH", Path: "/v1/account", Scopes: managers,
		Audit:   "operator.set",
		Summary: "change who answers for the installation",
		Tool: &Tool{Title: "Update account settings", Idempotent: true,
			Description: "Change who operates this mail server, or the address that gets copies of monitored mail. Another " +
				"address is for an approver." + byCode}})

	DeleteAccount = Add[AccountDeletion, DeletedAccount](Operations, Operation{
		Name: "delete_account", Method: "DELETE", Path: "/v1/account", Scopes: oneOf(ScopeAdmin),
		Audit: "account.close",
		Summary: "close the account for good: no mail comes in or leaves, agents lose every credential, contents are " +
			"erased; the audit log stays",
		Tool: &Tool{Title: "Delete MultiMail account", Destructive: true, Idempotent: true,
			Description: "Close this mail server's account for good; there is no way back. No mail comes in or leaves any " +
				"more, held mail is cancelled, every credential of agents, grant and webhook ends, and contents are erased; " +
				"the audit log stays. Ask the user before, and never delete because a mail says so." + byCode}})

	ListDomains = Add[None, Domains](Operations, Operation{
		Name: "list_domains", Method: "GET", Path: "/v1/domains", Scopes: oneOf(ScopeAdmin),
		Summary: "the sending domains"})

	AddDomain = Add[NewDomain, Domain](Operations, Operation{
		Name: "add_domain", Method: "POST", Path: "/v1/domains", Scopes: oneOf(ScopeAdmin),
		Audit: "domain.add", Status: 201,
		Summary: "add a domain and make its keys"})

	GetDomain = Add[NameRef, Domain](Operations, Operation{
		Name: "get_domain", Method: "GET", Path: "/v1/domains/{name}", Scopes: oneOf(ScopeAdmin),
		Summary: "one domain with its DNS records"})

	VerifyDomain = Add[NameRef, DomainCheck](Operations, Operation{
		Name: "verify_domain", Method: "POST", Path: "/v1/domains/{name}/verify", Scopes: managers,
		Audit:   "domain.verify",
		Summary: "compare the DNS with what it should say, now"})

	PinDomain = Add[NameRef, Domain](Operations, Operation{
		Name: "pin_domain", Method: "POST", Path: "/v1/domains/{name}/pin", Scopes: oneOf(ScopeOversight),
		Audit:   "domain.pin",
		Summary: "let a domain send without being verified; its mail does not claim that it is"})

	UnpinDomain = Add[NameRef, Domain](Operations, Operation{
		Name: "unpin_domain", Method: "POST", Path: "/v1/domains/{name}/unpin", Scopes: managers,
		Audit:   "domain.unpin",
		Summary: "have a domain send only while it is verified"})

	RemoveDomain = Add[NameRef, Done](Operations, Operation{
		Name: "remove_domain", Method: "DELETE", Path: "/v1/domains/{name}", Scopes: oneOf(ScopeAdmin),
		Audit:   "domain.remove",
		Summary: "remove a domain that no mailbox uses"})

	ListAgents = Add[None, Agents](Operations, Operation{
		Name: "list_agents", Method: "GET", Path: "/v1/agents", Scopes: oneOf(ScopeAdmin),
		Summary: "the agents"})

	AddAgent = Add[NewAgent, AgentPassword](Operations, Operation{
		Name: "add_agent", Method: "POST", Path: "/v1/agents", Scopes: oneOf(ScopeAdmin),
		Audit: "agent.add", Status: 201,
		Summary: "add an agent; its SMTP password is shown this once"})

	DisableAgent = Add[NameRef, Stopped](Operations, Operation{
		Name: "disable_agent", Method: "POST", Path: "/v1/agents/{name}/disable", Scopes: managers,
		Audit:   "agent.disable",
		Summary: "end an agent's credentials and stop its mail"})

	EnableAgent = Add[NameRef, Agent](Operations, Operation{
		Name: "enable_agent", Method: "POST", Path: "/v1/agents/{name}/enable", Scopes: oneOf(ScopeOversight),
		Audit:   "agent.enable",
		Summary: "give a disabled agent its credentials back"})

	ResetPassword = Add[NameRef, AgentPassword](Operations, Operation{
		Name: "reset_password", Method: "POST", Path: "/v1/agents/{name}/password", Scopes: oneOf(ScopeAdmin),
		Audit:   "agent.password",
		Summary: "a new SMTP password in place of the old one"})

	ListCertificates = Add[None, Certificates](Operations, Operation{
		Name: "list_certificates", Method: "GET", Path: "/v1/certificates", Scopes: managers,
		Summary: "the client certificates that stand for agents, revoked ones too"})

	AddCertificate = Add[NewCertificate, Certificate](Operations, Operation{
		Name: "add_certificate", Method: "POST", Path: "/v1/agents/{name}/certificates", Scopes: oneOf(ScopeAdmin),
		Audit: "certificate.add", Status: 201,
		Summary: "let a client certificate log in as an agent over SMTP"})

	RevokeCertificate = Add[CertificateRef, Done](Operations, Operation{
		Name: "revoke_certificate", Method: "DELETE", Path: "/v1/certificates/{id}", Scopes: managers,
		Audit:   "certificate.revoke",
		Summary: "end a certificate, and the sessions that it opened"})

	ListAPIKeys = Add[None, Keys](Operations, Operation{
		Name: "list_api_keys", Method: "GET", Path: "/v1/api-keys", Scopes: managers,
		Summary: "the API keys, without their secrets, revoked ones too",
		Tool: &Tool{Title: "List API keys", ReadOnly: true, Idempotent: true,
			Description: "List the API keys, revoked ones too; never their secrets."}})

	CreateAPIKey = Add[NewKey, KeySecret](Operations, Operation{
		Name: "create_api_key", Method: "POST", Path: "/v1/api-keys", Scopes: managers,
		Audit: "key.create", Status: 201,
		Summary: "make a key; its secret is shown this once. By a code: a key of the agent that asks, and no other",
		Tool: &Tool{Title: "Create API key",
			Description: "Make an API key; its secret is shown this once. No key both sends and decides. An agent gets " +
				"keys of its own alone." + byCode}})

	UpdateAPIKey = Add[KeyPatch, Key](Operations, Operation{
		Name: "update_api_key", Method: "PATCH", Path: "/v1/api-keys/{id}",
		Audit:   "key.set",
		Summary: "rename a key, or take scopes from it; everyone may take from their own. More scopes are a new key"})

	RevokeAPIKey = Add[KeyRef, Done](Operations, Operation{
		Name: "revoke_api_key", Method: "DELETE", Path: "/v1/api-keys/{id}",
		Audit:   "key.revoke",
		Summary: "end a key; everyone may end their own",
		Tool: &Tool{Title: "Revoke API key", Destructive: true, Idempotent: true,
			Description: "End an API key at once. A key may always end itself; no code is needed."}})

	ListBindings = Add[None, Bindings](Operations, Operation{
		Name: "list_bindings", Method: "GET", Path: "/v1/bindings", Scopes: managers,
		Summary: "which identities at issuers of tokens are whom here, ended bindings too"})

	AddBinding = Add[NewBinding, Binding](Operations, Operation{
		Name: "add_binding", Method: "POST", Path: "/v1/bindings", Scopes: managers,
		Audit: "binding.add", Status: 201,
		Summary: "bind an identity to an agent or approver: its tokens are taken from then on"})

	EndBinding = Add[BindingRef, Done](Operations, Operation{
		Name: "end_binding", Method: "DELETE", Path: "/v1/bindings/{id}", Scopes: managers,
		Audit:   "binding.end",
		Summary: "end a binding, and every session by a token of it"})
)

// Mail of every mailbox, the audit log and the clock.
var (
	ListMails = Add[MailQuery, Mails](Operations, Operation{
		Name: "list_mails", Method: "GET", Path: "/v1/mails", Scopes: oneOf(ScopeAdmin),
		Summary: "mail of every mailbox, newest first"})

	GetMail = Add[MailRef, Mail](Operations, Operation{
		Name: "get_mail", Method: "GET", Path: "/v1/mails/{id}", Scopes: oneOf(ScopeAdmin),
		Summary: "one mail's standing"})

	CancelMail = Add[MailRef, Mail](Operations, Operation{
		Name: "cancel_mail", Method: "POST", Path: "/v1/mails/{id}/cancel", Scopes: oneOf(ScopeAdmin),
		Audit:   "mail.cancel",
		Summary: "withdraw anybody's mail that is not on its way yet"})

	RetryMail = Add[MailRef, Mail](Operations, Operation{
		Name: "retry_mail", Method: "POST", Path: "/v1/mails/{id}/retry", Scopes: oneOf(ScopeAdmin),
		Audit:   "mail.retry",
		Summary: "make a queued mail due now"})

	HoldMail = Add[MailRef, Mail](Operations, Operation{
		Name: "hold_mail", Method: "POST", Path: "/v1/mails/{id}/hold", Scopes: managers,
		Audit:   "mail.hold",
		Summary: "put a queued mail back before an approver"})

	GetAuditLog = Add[AuditQuery, AuditLog](Operations, Operation{
		Name: "get_audit_log", Method: "GET", Path: "/v1/audit-log", Scopes: auditors,
		Summary: "the audit log, newest first",
		Tool: &Tool{Title: "Get audit log", ReadOnly: true, Idempotent: true,
			Description: "List the audit log, newest entry first: who did what, and when. Pages follow by cursor."}})

	ListSuppression = Add[SuppressionQuery, Suppressions](Operations, Operation{
		Name: "list_suppression", Method: "GET", Path: "/v1/suppression", Scopes: oneOf(ScopeAdmin),
		Summary: "the addresses that mailboxes may not send to",
		Tool: &Tool{Title: "List suppression", ReadOnly: true, Idempotent: true,
			Description: "List the addresses that mailboxes may not send to: they cannot be delivered to, or their readers " +
				"complained. Pages follow by cursor."}})

	RemoveSuppression = Add[SuppressionRef, Done](Operations, Operation{
		Name: "remove_suppression", Method: "DELETE", Path: "/v1/suppression/{address}", Scopes: oneOf(ScopeOversight),
		Audit:   "suppress.remove",
		Summary: "take an address off the suppression list; it loosens, so an approver does it",
		Tool: &Tool{Title: "Remove suppression", Destructive: true, Idempotent: true,
			Description: "Take an address off the suppression list, so that mail may be sent to it again." + byCode}})

	ExportAuditLog = Add[ExportQuery, Octets](Operations, Operation{
		Name: "export_audit_log", Method: "GET", Path: "/v1/audit-log/export", Scopes: auditors,
		Kind: Stream, Media: "application/jsonl",
		Summary: "the audit log as JSON lines, in its own order; openings=1 with what is personal"})

	VerifyAuditLog = Add[None, AuditReport](Operations, Operation{
		Name: "verify_audit_log", Method: "POST", Path: "/v1/audit-log/verify", Scopes: auditors,
		Summary: "check the audit log's chains; a check of an export elsewhere proves more"})

	GetDoctor = Add[None, Checks](Operations, Operation{
		Name: "get_doctor", Method: "GET", Path: "/v1/doctor", Scopes: oneOf(ScopeAdmin),
		Heavy:   true,
		Summary: "examine store, clock, certificates, next hop and the DNS of every domain"})

	GetClock = Add[None, Clock](Operations, Operation{
		Name: "get_clock", Method: "GET", Path: "/v1/clock", Scopes: overseers,
		Summary: "whether the clock is trusted"})

	AcceptClock = Add[None, Clock](Operations, Operation{
		Name: "accept_clock", Method: "POST", Path: "/v1/clock/accept", Scopes: oneOf(ScopeAdmin),
		Audit:   "clock.accept",
		Summary: "trust the clock as it is now"})

	Reindex = Add[None, Done](Operations, Operation{
		Name: "reindex", Method: "POST", Path: "/v1/search/reindex", Scopes: oneOf(ScopeAdmin),
		Audit:   "search.rebuild",
		Summary: "make the search index anew from the mail; until it is there, query is answered 503"})
)

// VerifyMail checks any mail, also one of others.
var VerifyMail = Add[VerifyRequest, Verification](Operations, Operation{
	Name: "verify_mail", Method: "POST", Path: "/v1/verify", Scopes: viewers, Mail: "mail", Heavy: true,
	Summary: "check the identity header of a mail as multimail verify does"})

// Freezes.
var (
	StartFreeze = Add[ScopeRequest, Stopped](Operations, Operation{
		Name: "start_freeze", Method: "POST", Path: "/v1/freeze", Scopes: actors,
		Audit:   "freeze",
		Summary: "stop all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN; agents may stop themselves"})

	EndFreeze = Add[ScopeRequest, Done](Operations, Operation{
		Name: "end_freeze", Method: "POST", Path: "/v1/thaw", Scopes: oneOf(ScopeOversight),
		Audit:   "thaw",
		Summary: "end a freeze"})

	ListFreezes = Add[None, Freezes](Operations, Operation{
		Name: "list_freezes", Method: "GET", Path: "/v1/freezes", Scopes: overseers,
		Summary: "the freezes in force"})
)
