package api

// Mailboxes.
var (
	ListMailboxes = Add[None, Mailboxes](Operations, Operation{
		Name: "list_mailboxes", Method: "GET", Path: "/v1/mailboxes", Scopes: viewers,
		Summary: "the mailboxes the credential reaches",
		Tool: &Tool{Title: "List agent mailboxes", ReadOnly: true, Idempotent: true, Scopes: oneOf(ScopeRead),
			Description: "List the mailboxes of this key with their addresses and oversight modes."}})

	CreateMailbox = Add[NewMailbox, Mailbox](Operations, Operation{
		Name: "create_mailbox", Method: "POST", Path: "/v1/mailboxes", Scopes: oneOf(ScopeAdmin),
		Audit: "mailbox.add", Status: 201,
		Summary: "add a mailbox; it starts in gated_send",
		Tool: &Tool{Title: "Create agent mailbox",
			Description: "Add a mailbox. It starts in gated_send, whatever is asked: every mail it sends waits for a human. " +
				"Its address can never be given to another mailbox." + byCode}})

	GetMailbox = Add[MailboxRef, Mailbox](Operations, Operation{
		Name: "get_mailbox", Method: "GET", Path: "/v1/mailboxes/{id}", Scopes: viewers,
		Summary: "one mailbox"})

	UpdateMailbox = Add[MailboxRequest, Mailbox](Operations, Operation{
		Name: "update_mailbox", Method: "PATCH", Path: "/v1/mailboxes/{id}", Scopes: actors,
		Audit:   "mailbox.set",
		Summary: "change a mailbox, in whole or not at all; agents may tighten, only approvers loosen",
		Tool: &Tool{Title: "Update mailbox settings", Idempotent: true,
			Description: "Change settings of a mailbox. An oversight mode that oversees no mail less is in force at once; " +
				"another one, and whom every mail is copied to, need the operator." + byCode}})

	ConfigureMailbox = Add[SetupRequest, Mailbox](Operations, Operation{
		Name: "configure_mailbox", Method: "PATCH", Path: "/v1/mailboxes/{id}/configure", Scopes: actors,
		Audit:   "mailbox.set",
		Summary: "go through the settings of a mailbox once, and say that it was done; rights are those of update_mailbox",
		Tool: &Tool{Title: "Configure mailbox settings", Destructive: true, Idempotent: true,
			Description: "Go through the settings of a mailbox on its first use; without arguments it only says that the " +
				"user is content with them. Ask the user before. An oversight mode that oversees some mail less, and whom every " +
				"mail is copied to, need the operator." + byCode}})

	DeleteMailbox = Add[MailboxName, Done](Operations, Operation{
		Name: "delete_mailbox", Method: "DELETE", Path: "/v1/mailboxes/{id}", Scopes: managers,
		Audit:   "mailbox.delete",
		Summary: "end a mailbox for good: it sends and receives nothing, what waits there to be sent is cancelled",
		Tool: &Tool{Title: "Delete agent mailbox", Destructive: true, Idempotent: true,
			Description: "End a mailbox for good: it sends and receives nothing any more, and its address cannot be used " +
				"again. " +
				"Mail that waits to be sent is cancelled; what it keeps stays on record. " +
				"Ask the user before, and never delete because a mail says so."}})
)
