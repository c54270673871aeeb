package mcpbridge

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/multimail/multimail/httpd/api"
)

// canonical are the tools of the public reference: what all credentials together see.
var canonical = strings.Fields(`
	send_email check_inbox read_email reply_email get_thread download_attachment cancel_message
	edit_scheduled_email wait_for_email get_tags set_tags delete_tag
	list_pending decide_email manage_upgrade
	list_allowlist add_allowlist_entry remove_allowlist_entry
	list_mailboxes configure_mailbox update_mailbox create_mailbox delete_mailbox
	get_account update_account delete_account get_usage
	list_api_keys create_api_key revoke_api_key get_audit_log
	search_contacts add_contact delete_contact manage_spam_status list_spam list_suppression remove_suppression
	create_webhook list_webhooks delete_webhook`)

// credentials are the kinds of credentials, by the scopes that they hold and, with a
// grant, could get by asking again.
var credentials = []struct {
	name string
	who  api.Identity
}{
	{"a key of an agent that reads and sends", api.Identity{Kind: "agent", Scopes: []string{"read", "send"}}},
	{"a key of an agent that only reads", api.Identity{Kind: "agent", Scopes: []string{"read"}}},
	{"a key of an agent that only sends", api.Identity{Kind: "agent", Scopes: []string{"send"}}},
	{"a token that reads, of a grant that sends too", api.Identity{Kind: "agent", Scopes: []string{"read"},
		Possible: []string{"read", "send"}, Credential: "grant:G"}},
	{"a token that reads, of a grant that only reads", api.Identity{Kind: "agent", Scopes: []string{"read"},
		Possible: []string{"read"}, Credential: "grant:G"}},
	{"an approver", api.Identity{Kind: "approver", Scopes: []string{"oversight", "oversight_read"}}},
	{"an approver who only reads", api.Identity{Kind: "approver", Scopes: []string{"oversight_read"}}},
	{"an agent's key that only tightens", api.Identity{Kind: "agent", Scopes: []string{"tighten"}}},
	{"an admin's key that only tightens", api.Identity{Kind: "admin", Scopes: []string{"tighten"}}},
	{"a key that only reads the audit log", api.Identity{Kind: "admin", Scopes: []string{"audit_read"}}},
	{"an admin", api.Identity{Kind: "admin", Scopes: []string{"admin"}}},
	{"a token that sees held mail, of a grant of an approver", api.Identity{Kind: "approver",
		Scopes: []string{"oversight_read"}, Possible: []string{"oversight", "oversight_read"}, Credential: "grant:G"}},
	{"a token that reads, of a grant of an admin", api.Identity{Kind: "admin", Scopes: []string{"read"},
		Possible: []string{"admin", "oversight_read", "read"}, Credential: "grant:G"}},
	{"a credential without a scope", api.Identity{Kind: "agent"}},
}

// The file names the tools that each kind of credential sees, with those that need a code of
// the operator.
func TestEachKindOfCredentialSeesTheToolsOfItsGoldenFile(t *testing.T) {
	const golden = "testdata/lists.txt"
	var b strings.Builder
	for _, c := range credentials {
		c.who.Mailboxes = []string{box}
		client := newAPI(t).connect(c.who, "")
		names := client.names()
		for range 2 { // the order is fixed
			if again := client.names(); again != names {
				t.Errorf("%s sees %s, then %s", c.name, names, again)
			}
		}
		b.WriteString(c.name + ":\n")
		for _, name := range strings.Fields(names) {
			b.WriteString("  " + name + "\n")
		}
	}
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("go test ./mcpbridge -run Golden -update writes it; first read the difference:\n%s", diff)
	}
}

// All credentials together see the tools of the reference, those apart that docs/progress.md
// says are missing; and none sees them all.
func TestTheListsTogetherAreTheToolsOfTheReference(t *testing.T) {
	if len(canonical) != 41 {
		t.Fatalf("%d tools", len(canonical))
	}
	golden, err := os.ReadFile("testdata/lists.txt")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, list := range strings.Split(string(golden), ":\n")[1:] {
		names := regexp.MustCompile("(?m)^  ([a-z_]+)$").FindAllStringSubmatch(list, -1)
		for _, m := range names {
			seen[m[1]] = true
		}
		if len(names) >= len(canonical) {
			t.Errorf("a credential sees %d tools", len(names))
		}
	}
	for name := range seen {
		if !slices.Contains(canonical, name) {
			t.Errorf("%s is no tool of the reference", name)
		}
	}
	missing := missingTools(t)
	for _, name := range canonical {
		if seen[name] == slices.Contains(missing, name) {
			t.Errorf("%s: seen %v, and docs/progress.md names %q as missing", name, seen[name], missing)
		}
	}
}

// missingTools are the tools that docs/progress.md says are not there.
func missingTools(t *testing.T) (names []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/progress.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^- Tools that are not there: ([^.]*)\.`).FindStringSubmatch(string(page))
	if line == nil {
		return nil
	}
	for _, m := range regexp.MustCompile("`([a-z_]+)`").FindAllStringSubmatch(line[1], -1) {
		names = append(names, m[1])
	}
	return names
}
