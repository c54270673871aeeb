package mcpbridge

import "slices"

// profiles are parts of the list of tools for clients that work better with a short one. A
// profile is no right: it leaves out, and gives nothing that a credential has not.
var profiles = map[string][]string{
	"send": {"send_email", "reply_email", "cancel_message", "edit_scheduled_email", "read_email", "get_thread",
		"wait_for_email", "list_mailboxes", "search_contacts", "add_contact", "get_usage"},
	"inbox": {"check_inbox", "read_email", "get_thread", "download_attachment", "wait_for_email", "reply_email",
		"get_tags", "set_tags", "delete_tag", "list_spam", "manage_spam_status", "search_contacts", "list_mailboxes"},
	"full": nil,
}

// inProfile reports whether a profile has a tool; that without a name has all.
func inProfile(profile, tool string) bool {
	names := profiles[profile]
	return names == nil || slices.Contains(names, tool)
}
