package mail

// Limit names a bound that a client, a peer or an operator can reach. Every
// name is a row of docs/limits.md and a value of the label of the counter
// mail_limit_reached_total; a test compares all three.
type Limit string

// The limits. Each stands below the package that enforces it.
const (
	// internal/message: of one message, at submission.
	LimitLineLength      Limit = "line_length"
	LimitHeaderOctets    Limit = "header_octets"
	LimitHeaderFields    Limit = "header_fields"
	LimitFieldOctets     Limit = "field_octets"
	LimitFieldLines      Limit = "field_lines"
	LimitSubjectOctets   Limit = "subject_octets"
	LimitHeaderAddresses Limit = "header_addresses"
	LimitReceivedHops    Limit = "received_hops"
	LimitMIMEDepth       Limit = "mime_depth"
	LimitMIMEParts       Limit = "mime_parts"
	LimitMessageWork     Limit = "message_work"

	// gate: of one submission.
	LimitMessageSize Limit = "message_size"
	LimitRecipients  Limit = "recipients"

	// gate: of one mailbox.
	LimitHeldSize     Limit = "held_size"
	LimitHeldCount    Limit = "held_count"
	LimitBacklogSize  Limit = "backlog_size"
	LimitBacklogCount Limit = "backlog_count"
	LimitQuotaSize    Limit = "quota_size"
	LimitQuotaCount   Limit = "quota_count"

	// smtpd: of connections; failed logins are counted over httpd too.
	LimitConnections         Limit = "smtp_connections"
	LimitSourceConnections   Limit = "smtp_connections_per_source"
	LimitFailedLoginsSource  Limit = "failed_logins_per_source"
	LimitFailedLoginsAccount Limit = "failed_logins_per_account"
	LimitCommands            Limit = "smtp_commands"
	LimitErrors              Limit = "smtp_errors"
	LimitSMTPTime            Limit = "smtp_time"
	LimitEndlessLine         Limit = "smtp_endless_line"
	LimitAuthLine            Limit = "smtp_auth_line"

	// smtpd: of mail from the world.
	LimitInboundConnections       Limit = "inbound_connections"
	LimitInboundSourceConnections Limit = "inbound_connections_per_source"
	LimitInboundConnectionRate    Limit = "inbound_connection_rate"
	LimitInboundMessageRate       Limit = "inbound_message_rate"
	LimitInboundRecipients        Limit = "inbound_recipients"
	LimitInboundUnknown           Limit = "inbound_unknown_recipients"
	LimitInboundUnknownRate       Limit = "inbound_unknown_rate"

	// smtpd and httpd: of messages in memory.
	LimitInFlight Limit = "messages_in_flight"

	// gate: of one credential.
	LimitSubmissionRate Limit = "submissions_per_key"

	// gate: of one sending domain.
	LimitWarmUp Limit = "warm_up"

	// internal/registry: of one agent and mailbox.
	LimitCodes Limit = "codes_per_mailbox"

	// httpd: of one source, connection and key.
	LimitHTTPSource       Limit = "http_connections_per_source"
	LimitRequestRate      Limit = "requests_per_key"
	LimitHTTPIdleStranger Limit = "http_idle_stranger"
	LimitVerifyRate       Limit = "verifications_per_key"
	LimitFileRate         Limit = "files_per_source"
	LimitOAuth            Limit = "oauth_requests_per_source"
	LimitOAuthClient      Limit = "oauth_requests_per_client"

	// httpd: of one request and one draft.
	LimitBodySize         Limit = "http_body"
	LimitDraftAddresses   Limit = "draft_addresses"
	LimitDraftSubject     Limit = "draft_subject"
	LimitDraftMarkdown    Limit = "draft_markdown"
	LimitDraftAttachments Limit = "draft_attachments"
	LimitDraftReferences  Limit = "draft_references"

	// queue: of one released mail.
	LimitRetryLifetime Limit = "retry_lifetime"

	// internal/search: of one query.
	LimitSearchQuery Limit = "search_query"

	// internal/message: of one approver's view.
	LimitReviewList Limit = "review_list"
	// gate: of the refusals that one principal can have recorded in a minute.
	LimitAuditRefusals Limit = "audit_refusals"
	// spam: of the questions to a filter program at the same time, and of one mail.
	LimitFilterQuestions Limit = "filter_questions"
	LimitFilterSize      Limit = "filter_size"
	// httpd: of one principal, and of one answer.
	LimitWaiters   Limit = "waiters"
	LimitSearches  Limit = "searches"
	LimitListSize  Limit = "list_size"
	LimitUsageScan Limit = "usage_scan"
	LimitWork      Limit = "work_in_flight"

	// internal/hook: of an installation, and of one webhook.
	LimitWebhooks       Limit = "webhooks"
	LimitWebhookBacklog Limit = "webhook_backlog"

	// internal/inbox: of one mail, and of one mailbox.
	LimitTags     Limit = "tags"
	LimitContacts Limit = "contacts"
)

// Over returns a copy of e that says which limit was reached.
func (e *Error) Over(l Limit) *Error {
	c := *e
	c.Limit = l
	return &c
}
