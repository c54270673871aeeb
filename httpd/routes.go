package httpd

import "github.com/multimail/multimail/internal/registry"

// Route is one endpoint: what the mux registers and what the docs list.
type Route struct {
	Method, Path string
	Summary      string
	Public       bool             // no credential is asked for
	Scopes       []registry.Scope // one of them; none: any credential, the registry judges the rest
	Query        []string         // every name its query may have

	handle func(*Server, *request) (answer, error)
}

// String returns the pattern under which the mux knows the route.
func (r Route) String() string { return r.Method + " " + r.Path }

// Routes returns the table of every endpoint. No two scopes of one credential
// can both send and decide, so no row that lists several opens a way around
// the gate (LAW 4).
func Routes() []Route {
	var all []Route
	for _, part := range [][]Route{publicRoutes(), agentRoutes(), mailboxRoutes(), oversightRoutes(), adminRoutes(), stopRoutes()} {
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
		{Method: "GET", Path: "/health", Public: true, handle: (*Server).health,
			Summary: "whether the server can take mail; 503 when it cannot"},
		{Method: "GET", Path: "/.well-known/multimail-signing-key", Public: true, handle: (*Server).signingKey,
			Summary: "the key that signs identity headers of the domain in Host"},
		{Method: "GET", Path: "/.well-known/jwks.json", Public: true, handle: (*Server).jwks,
			Summary: "the same keys as a JWK set"},
		{Method: "GET", Path: "/metrics", Scopes: oneOf(admin), handle: (*Server).metrics,
			Summary: "metrics in the Prometheus text format"},
	}
}

func agentRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/v1/send", Scopes: oneOf(send), handle: (*Server).sendAny,
			Summary: "send from mailbox_id, from, or else the only mailbox of the credential"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/send", Scopes: oneOf(send), handle: (*Server).send,
			Summary: "send a mail"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/emails", Scopes: oneOf(read), handle: (*Server).emails,
			Query: []string{"status", "direction", "since_id", onePage, nextPage}, Summary: "the mailbox's own mail and notices, newest first"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/emails/{email}", Scopes: oneOf(read), handle: (*Server).email,
			Query: []string{"wait_seconds"}, Summary: "one of them, if asked when its status has changed; reading marks a notice as read"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/emails/{email}/cancel", Scopes: oneOf(send), handle: (*Server).cancel,
			Summary: "withdraw a mail that is not on its way yet"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/wait", Scopes: oneOf(read), handle: (*Server).wait,
			Query: []string{"timeout_seconds", "sender", "subject_contains", "since_id"}, Summary: "wait for mail in the inbox"},
		{Method: "GET", Path: "/v1/usage", Scopes: oneOf(read), handle: (*Server).usage,
			Query: []string{"from", "to"}, Summary: "what the credential's mailboxes did"},
	}
}

func mailboxRoutes() []Route {
	anyone := oneOf(read, send, admin, decides)
	return []Route{
		{Method: "GET", Path: "/v1/mailboxes", Scopes: oneOf(read, admin, decides, watches), handle: (*Server).mailboxes,
			Summary: "the mailboxes the credential reaches"},
		{Method: "POST", Path: "/v1/mailboxes", Scopes: oneOf(admin), handle: (*Server).addMailbox,
			Summary: "add a mailbox; it starts in gated_send"},
		{Method: "GET", Path: "/v1/mailboxes/{id}", Scopes: oneOf(read, admin, decides, watches), handle: (*Server).mailbox,
			Summary: "one mailbox"},
		{Method: "PATCH", Path: "/v1/mailboxes/{id}", Scopes: anyone, handle: (*Server).patchMailbox,
			Summary: "change a mailbox; agents may tighten, only approvers loosen"},
		{Method: "GET", Path: "/v1/mailboxes/{id}/allowlist", Scopes: oneOf(read, admin, decides, watches), handle: (*Server).allowlist,
			Summary: "to whom mail leaves a gated_send mailbox undecided"},
		{Method: "POST", Path: "/v1/mailboxes/{id}/allowlist", Scopes: oneOf(decides), handle: (*Server).allowAdd,
			Summary: "add an entry"},
		{Method: "DELETE", Path: "/v1/mailboxes/{id}/allowlist/{entry}", Scopes: anyone, handle: (*Server).allowRemove,
			Summary: "remove an entry"},
	}
}

func oversightRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/oversight/pending", Scopes: oneOf(decides, watches), handle: (*Server).pending,
			Query: []string{onePage, nextPage}, Summary: "held mail, oldest first"},
		{Method: "GET", Path: "/v1/oversight/pending/{id}", Scopes: oneOf(decides, watches), handle: (*Server).review,
			Query: []string{"raw"}, Summary: "all that an approver should see of one mail; raw=1 for its bytes"},
		{Method: "POST", Path: "/v1/oversight/decide", Scopes: oneOf(decides), handle: (*Server).decide,
			Summary: "approve what the digest names, or reject"},
	}
}

func adminRoutes() []Route {
	return []Route{
		{Method: "GET", Path: "/v1/account", Scopes: oneOf(read, admin, decides, watches), handle: (*Server).account,
			Summary: "who answers for the installation"},
		{Method: "PATCH", Path: "/v1/account", Scopes: oneOf(admin, decides), handle: (*Server).patchAccount,
			Summary: "change that"},
		{Method: "GET", Path: "/v1/domains", Scopes: oneOf(admin), handle: (*Server).domains,
			Summary: "the sending domains"},
		{Method: "POST", Path: "/v1/domains", Scopes: oneOf(admin), handle: (*Server).addDomain,
			Summary: "add a domain and make its keys"},
		{Method: "GET", Path: "/v1/domains/{name}", Scopes: oneOf(admin), handle: (*Server).domain,
			Summary: "one domain with its DNS records"},
		{Method: "GET", Path: "/v1/agents", Scopes: oneOf(admin), handle: (*Server).agents,
			Summary: "the agents"},
		{Method: "POST", Path: "/v1/agents", Scopes: oneOf(admin), handle: (*Server).addAgent,
			Summary: "add an agent; its SMTP password is shown this once"},
		{Method: "POST", Path: "/v1/agents/{name}/disable", Scopes: oneOf(admin, decides), handle: (*Server).disableAgent,
			Summary: "end an agent's credentials and stop its mail"},
		{Method: "POST", Path: "/v1/agents/{name}/enable", Scopes: oneOf(decides), handle: (*Server).enableAgent,
			Summary: "undo that"},
		{Method: "POST", Path: "/v1/agents/{name}/password", Scopes: oneOf(admin), handle: (*Server).resetPassword,
			Summary: "a new SMTP password in place of the old one"},
		{Method: "GET", Path: "/v1/api-keys", Scopes: oneOf(admin, decides), handle: (*Server).keys,
			Summary: "the API keys, without their secrets"},
		{Method: "POST", Path: "/v1/api-keys", Scopes: oneOf(admin, decides), handle: (*Server).addKey,
			Summary: "make a key; its secret is shown this once"},
		{Method: "DELETE", Path: "/v1/api-keys/{id}", handle: (*Server).revokeKey,
			Summary: "end a key; everyone may end their own"},
		{Method: "GET", Path: "/v1/mails", Scopes: oneOf(admin), handle: (*Server).mails,
			Query: []string{"state", "mailbox", onePage, nextPage}, Summary: "mail of every mailbox, newest first"},
		{Method: "GET", Path: "/v1/mails/{id}", Scopes: oneOf(admin), handle: (*Server).mail,
			Summary: "one mail's standing"},
		{Method: "POST", Path: "/v1/mails/{id}/cancel", Scopes: oneOf(admin), handle: (*Server).cancelMail,
			Summary: "withdraw anybody's mail"},
		{Method: "POST", Path: "/v1/mails/{id}/retry", Scopes: oneOf(admin), handle: (*Server).retryMail,
			Summary: "make a queued mail due now"},
		{Method: "POST", Path: "/v1/mails/{id}/hold", Scopes: oneOf(admin, decides), handle: (*Server).holdMail,
			Summary: "put a queued mail back before an approver"},
		{Method: "GET", Path: "/v1/audit-log", Scopes: oneOf(admin), handle: (*Server).auditLog,
			Query: []string{onePage, nextPage}, Summary: "the audit log, newest first"},
		{Method: "GET", Path: "/v1/audit-log/export", Scopes: oneOf(admin), handle: (*Server).auditExport,
			Query: []string{"openings", "since"}, Summary: "the audit log as JSON lines; openings=1 with what is personal"},
		{Method: "POST", Path: "/v1/audit-log/verify", Scopes: oneOf(admin), handle: (*Server).auditVerify,
			Summary: "check the audit log's chains"},
	}
}

func stopRoutes() []Route {
	return []Route{
		{Method: "POST", Path: "/v1/freeze", Scopes: oneOf(read, send, admin, decides), handle: (*Server).freeze,
			Summary: "stop all, agent:NAME, mailbox:ADDRESS or domain:DOMAIN; agents may stop themselves"},
		{Method: "POST", Path: "/v1/thaw", Scopes: oneOf(decides), handle: (*Server).thaw,
			Summary: "end a freeze"},
		{Method: "GET", Path: "/v1/freezes", Scopes: oneOf(admin, decides, watches), handle: (*Server).freezes,
			Summary: "the freezes in force"},
	}
}
