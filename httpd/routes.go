package httpd

import "github.com/multimail/multimail/internal/registry"

// Route is one endpoint: what the mux registers and what the docs list.
type Route struct {
	Method, Path string
	Summary      string
	Public       bool             // no credential is asked for
	Scopes       []registry.Scope // one of them; none: any credential, the registry judges the rest
	Query        []string         // every name its query may have
	Order        string           // what the audit log calls it when it is refused; empty: no order

	handle func(*Server, *request) (answer, error)
}

// String returns the pattern under which the mux knows the route.
func (r Route) String() string { return r.Method + " " + r.Path }

// Routes returns the table of every endpoint. No two scopes of one credential
// can both send and decide, so no row that lists several opens a way around
// the gate (LAW 4).
func Routes() []Route {
	var all []Route
	for _, part := range [][]Route{
		publicRoutes(), agentRoutes(), mailboxRoutes(), oversightRoutes(),
		accountRoutes(), keyRoutes(), mailRoutes(), stopRoutes(),
	} {
		all = append(all, part...)
	}
	return all
}

// oneOf names the scopes of which one suffices.
func oneOf(s ...registry.Scope) []registry.Scope { return s }

const (
	read     = registry.ScopeRead
	send     = registry.ScopeSend
	decides  = registry.ScopeOversight
	watches  = registry.ScopeOversightRead
	admin    = registry.ScopeAdmin
	onePage  = "limit"
	nextPage = "cursor"
)

func publicRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/health", handle: (*Server).health,
			Public:  true,
			Summary: "whether the server can take mail; 503 when it cannot"},
		{Method: "GET", Path: "/.well-known/multimail-signing-key", handle: (*Server).signingKey,
			Public:  true,
			Summary: "the key that signs identity headers of the domain in Host"},
		{Method: "GET", Path: "/.well-known/jwks.json", handle: (*Server).jwks,
			Public:  true,
			Summary: "the same keys as a JWK set"},
		{Method: "GET", Path: "/metrics", handle: (*Server).metrics,
			Scopes:  oneOf(admin),
			Summary: "metrics in the Prometheus text format"},
	}
}

func agentRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/whoami", handle: (*Server).whoami,
			Summary: "whom the credential speaks for, and its scopes"},
		{Method: "POST", Path: "/v1/send", handle: (*Server).sendAny,
			Scopes:  oneOf(send),
			Summary: "send from mailbox_id, from, or else the only mailbox of the credential"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/send", handle: (*Server).send,
			Scopes:  oneOf(send),
			Summary: "send a mail"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/emails", handle: (*Server).emails,
			Scopes:  oneOf(read),
			Query:   []string{"status", "direction", "since_id", onePage, nextPage},
			Summary: "the mailbox's own mail and notices, newest first"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/emails/{email}", handle: (*Server).email,
			Scopes:  oneOf(read),
			Query:   []string{"wait_seconds"},
			Summary: "one of them, if asked when its status has changed; reading marks a notice as read"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/emails/{email}/cancel", handle: (*Server).cancel,
			Scopes:  oneOf(send),
			Summary: "withdraw a mail that is not on its way yet"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/wait", handle: (*Server).wait,
			Scopes:  oneOf(read),
			Query:   []string{"timeout_seconds", "sender", "subject_contains", "since_id"},
			Summary: "wait for mail in the inbox"},
		{Method: "GET", Path: "/v1/usage", handle: (*Server).usage,
			Scopes:  oneOf(read),
			Query:   []string{"from", "to"},
			Summary: "what the credential's mailboxes did"},
	}
}

func mailboxRoutes() []Route {
	anyone := oneOf(read, send, admin, decides)
	return []Route{
		{Method: "GET", Path: "/v1/mailboxes", handle: (*Server).mailboxes,
			Scopes:  oneOf(read, admin, decides, watches),
			Summary: "the mailboxes the credential reaches"},
		{Method: "POST", Path: "/v1/mailboxes", handle: (*Server).addMailbox,
			Order:   "mailbox.add",
			Scopes:  oneOf(admin),
			Summary: "add a mailbox; it starts in gated_send"},
		{Method: "GET", Path: "/v1/mailboxes/{id}", handle: (*Server).mailbox,
			Scopes:  oneOf(read, admin, decides, watches),
			Summary: "one mailbox"},
		{Method: "PATCH", Path: "/v1/mailboxes/{id}", handle: (*Server).patchMailbox,
			Order:   "mailbox.set",
			Scopes:  anyone,
			Summary: "change a mailbox; agents may tighten, only approvers loosen"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/allowlist", handle: (*Server).allowlist,
			Scopes:  oneOf(read, admin, decides, watches),
			Summary: "to whom mail leaves a gated_send mailbox undecided"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/allowlist", handle: (*Server).allowAdd,
			Order:   "allow.add",
			Scopes:  oneOf(decides),
			Summary: "add an entry"},
		{Method: "DELETE", Path: "/v1/mailboxes/{id}/allowlist/{entry}", handle: (*Server).allowRemove,
			Order:   "allow.remove",
			Scopes:  anyone,
			Summary: "remove an entry"},
	}
}

func oversightRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/oversight/pending", handle: (*Server).pending,
			Scopes:  oneOf(decides, watches),
			Query:   []string{onePage, nextPage},
			Summary: "held mail, oldest first"},
		{Method: "GET", Path: "/v1/oversight/pending/{id}", handle: (*Server).review,
			Scopes:  oneOf(decides, watches),
			Query:   []string{"raw"},
			Summary: "all that an approver should see of one mail; raw=1 for its bytes"},
		{Method: "POST", Path: "/v1/oversight/decide", handle: (*Server).decide,
			Order:   "decide",
			Scopes:  oneOf(decides),
			Summary: "approve what the digest names, or reject"},
	}
}

func accountRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/account", handle: (*Server).account,
			Scopes:  oneOf(read, admin, decides, watches),
			Summary: "who answers for the installation"},
		{Method: "PATCH", Path: "/v1/account", handle: (*Server).patchAccount,
			Order:   "operator.set",
			Scopes:  oneOf(admin, decides),
			Summary: "change that"},
		{Method: "GET", Path: "/v1/domains", handle: (*Server).domains,
			Scopes:  oneOf(admin),
			Summary: "the sending domains"},
		{Method: "POST", Path: "/v1/domains", handle: (*Server).addDomain,
			Order:   "domain.add",
			Scopes:  oneOf(admin),
			Summary: "add a domain and make its keys"},
		{Method: "GET", Path: "/v1/domains/{name}", handle: (*Server).domain,
			Scopes:  oneOf(admin),
			Summary: "one domain with its DNS records"},
		{Method: "GET", Path: "/v1/agents", handle: (*Server).agents,
			Scopes:  oneOf(admin),
			Summary: "the agents"},
		{Method: "POST", Path: "/v1/agents", handle: (*Server).addAgent,
			Order:   "agent.add",
			Scopes:  oneOf(admin),
			Summary: "add an agent; its SMTP password is shown this once"},
		{Method: "POST", Path: "/v1/agents/{name}/disable", handle: (*Server).disableAgent,
			Order:   "agent.disable",
			Scopes:  oneOf(admin, decides),
			Summary: "end an agent's credentials and stop its mail"},
		{Method: "POST", Path: "/v1/agents/{name}/enable", handle: (*Server).enableAgent,
			Order:   "agent.enable",
			Scopes:  oneOf(decides),
			Summary: "undo that"},
		{Method: "POST", Path: "/v1/agents/{name}/password", handle: (*Server).resetPassword,
			Order:   "agent.password",
			Scopes:  oneOf(admin),
			Summary: "a new SMTP password in place of the old one"},
	}
}

func keyRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/api-keys", handle: (*Server).keys,
			Scopes:  oneOf(admin, decides),
			Summary: "the API keys, without their secrets"},
		{Method: "POST", Path: "/v1/api-keys", handle: (*Server).addKey,
			Order:   "key.create",
			Scopes:  oneOf(admin, decides),
			Summary: "make a key; its secret is shown this once"},
		{Method: "DELETE", Path: "/v1/api-keys/{id}", handle: (*Server).revokeKey,
			Order:   "key.revoke",
			Summary: "end a key; everyone may end their own"},
	}
}

func mailRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/mails", handle: (*Server).mails,
			Scopes:  oneOf(admin),
			Query:   []string{"state", "mailbox", onePage, nextPage},
			Summary: "mail of every mailbox, newest first"},
		{Method: "GET", Path: "/v1/mails/{id}", handle: (*Server).mail,
			Scopes:  oneOf(admin),
			Summary: "one mail's standing"},
		{Method: "POST", Path: "/v1/mails/{id}/cancel", handle: (*Server).cancelMail,
			Order:   "mail.cancel",
			Scopes:  oneOf(admin),
			Summary: "withdraw anybody's mail"},
		{Method: "POST", Path: "/v1/mails/{id}/retry", handle: (*Server).retryMail,
			Order:   "mail.retry",
			Scopes:  oneOf(admin),
			Summary: "make a queued mail due now"},
		{Method: "POST", Path: "/v1/mails/{id}/hold", handle: (*Server).holdMail,
			Order:   "mail.hold",
			Scopes:  oneOf(admin, decides),
			Summary: "put a queued mail back before an approver"},
		{Method: "GET", Path: "/v1/audit-log", handle: (*Server).auditLog,
			Scopes:  oneOf(admin),
			Query:   []string{onePage, nextPage},
			Summary: "the audit log, newest first"},
		{Method: "GET", Path: "/v1/audit-log/export", handle: (*Server).auditExport,
			Scopes:  oneOf(admin),
			Query:   []string{"openings", "since"},
			Summary: "the audit log as JSON lines; openings=1 with what is personal"},
		{Method: "GET", Path: "/v1/clock", handle: (*Server).clock,
			Scopes:  oneOf(admin, decides, watches),
			Summary: "whether the clock is trusted"},
		{Method: "POST", Path: "/v1/clock/accept", handle: (*Server).acceptClock,
			Order:   "clock.accept",
			Scopes:  oneOf(admin),
			Summary: "trust the clock as it is now"},
		{Method: "POST", Path: "/v1/audit-log/verify", handle: (*Server).auditVerify,
			Scopes:  oneOf(admin),
			Summary: "check the audit log's chains"},
	}
}

func stopRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/v1/freeze", handle: (*Server).freeze,
			Order:   "freeze",
			Scopes:  oneOf(read, send, admin, decides),
			Summary: "stop all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN; agents may stop themselves"},
		{Method: "POST", Path: "/v1/thaw", handle: (*Server).thaw,
			Order:   "thaw",
			Scopes:  oneOf(decides),
			Summary: "end a freeze"},
		{Method: "GET", Path: "/v1/freezes", handle: (*Server).freezes,
			Scopes:  oneOf(admin, decides, watches),
			Summary: "the freezes in force"},
	}
}
