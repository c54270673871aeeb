package api

import (
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

// ours lists the texts in the answers of tools that no stranger can write at will:
// words of a closed list, ids, hashes, addresses that were parsed, and what operators,
// approvers and agents of this installation say. Every other text is declared
// untrusted, and the bridge marks it.
var ours = map[string]string{
	"Account":        "Name OversightEmail Postal DisabledReason",
	"AllowEntry":     "ID Pattern Note", // of who loosens
	"Actor":          "Kind ID",
	"Arrived":        "Sender Client Hop",
	"AuditEntry":     "ID Hash Kind Mail Digest Facts Leaf Action ResourceType ResourceID ActorKeyID",
	"AuditLog":       "Cursor",
	"Authentication": "SPF DKIM DMARC ARC Identity",
	"Contact":        "ID Email MailboxID",
	"Daily":          "Date EventType",
	"Decided":        "ID Status State",
	"Decision":       "Verdict Reason By Kind Digest",
	"DeletedAccount": "Status Message LegalHolds Past",
	"Done":           "Status",
	"Download":       "DownloadURL Note Warning",
	"Earlier":        "ID Direction From To Cc Bcc Status",
	"Email":          "Cc Bcc ReplyTo Digest Replaces ReplacedBy ApprovedBy",
	"Edited":         "Replaces",
	"EmailFacts":     "Text", // always empty
	"Emails":         "Cursor SinceID",
	"Field":          "Part",
	"File":           "SHA256",
	"Identified":     "Issuer Tenant Agent Client Blueprint Shape Person",
	"Judged":         "Verdict Filter Label",
	"Key":            "ID Name Kind Owner Scopes Mailboxes Prefix CreatedBy",
	"KeySecret":      "Secret",
	"Link":           "Why",
	"Mailbox": "ID Address DisplayName OversightMode OversightAddress AgentRef Agents " +
		"AutoCC AutoBCC SignatureBlock DefaultGateTiming",
	"Options": "Body Ret HoldFor",
	"Part":    "Path SHA256 Why",
	"Pending": "ID Digest Mailbox MailboxID Direction Agent AgentRef Door Mode From WaitsFor To Cc Bcc " +
		"Replaces Status",
	"PendingFacts": "Cursor",
	"Receipt":      "ID Status ThreadID Message Digest",
	"Recipient":    "Address Notify Status Enhanced Remote",
	"Review":       "State",
	"Segment":      "Kind Part Note",
	"SpamMail":     "Digest Label",
	"SpamMails":    "Cursor",
	"SpamOutcome":  "ID Status UserLabel Message",
	"Summary": "ID MailboxID ThreadID Direction From To Status BounceType About SpamVerdict Action JoinedBy " +
		"NewParticipants",
	"Suppression":  "ID EmailAddress Reason MailboxID About Code",
	"Suppressions": "Cursor",
	"Upgrade":      "Status Message OversightMode TargetMode",
	"Usage":        "Breakdown",
	"Waited":       "SinceID",
	"Thread":       "ThreadID Participants Cursor",
	"Warning":      "Code Part",
	// An admin names the URL.
	"Webhook":       "ID URL Events Mailbox Format Owner Why",
	"WebhookSecret": "Secret",
}

func TestEveryTextInTheAnswersOfToolsIsOursOrDeclaredUntrusted(t *testing.T) {
	seen, found, untrusted := map[reflect.Type]bool{}, map[string][]string{}, 0
	var walk func(reflect.Type)
	walk = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer || of.Kind() == reflect.Map {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of == reflect.TypeFor[time.Time]() || seen[of] {
			return
		}
		seen[of] = true
		for i := range of.NumField() {
			f := of.Field(i)
			switch holds := texts(f.Type); {
			case f.Tag.Get("untrusted") != "":
				untrusted++
			case holds:
				found[of.Name()] = append(found[of.Name()], f.Name)
			default:
				walk(f.Type)
			}
		}
	}
	for _, op := range Operations.Operations() {
		if op.Tool != nil && op.Tool.Answer != nil {
			walk(reflect.TypeOf(op.Tool.Answer))
		} else if op.Tool != nil {
			walk(op.out)
		}
	}
	for name, fields := range found {
		if got, want := strings.Join(fields, " "), ours[name]; got != want {
			t.Errorf("%s: each must be ours or be declared untrusted: %q; listed as ours: %q", name, got, want)
		}
	}
	for name := range ours {
		if !slices.Contains(names(found), name) {
			t.Errorf("%s is listed and answers no tool", name)
		}
	}
	if untrusted < 15 {
		t.Errorf("only %d texts are declared untrusted", untrusted)
	}
}

func names(m map[string][]string) (list []string) {
	for name := range m {
		list = append(list, name)
	}
	return list
}

// texts reports whether a member is a text, or a list or map of them.
func texts(t reflect.Type) bool {
	for t.Kind() == reflect.Slice || t.Kind() == reflect.Map {
		t = t.Elem()
	}
	return t.Kind() == reflect.String
}
