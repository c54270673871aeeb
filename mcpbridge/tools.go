package mcpbridge

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// Tools returns every tool of the table with what renders its answer.
func Tools() []Tool {
	return []Tool{
		Compose(api.SendEmail, func(ctx context.Context, c api.Caller, in api.SendRequest) (*Answer, error) {
			return nudged(ctx, c, api.SendEmail, in, in.Mailbox, sentNew)
		}),
		Render(api.ReplyEmail, sentAnswer),
		Render(api.ListMailboxes, plain[api.None, api.Mailboxes]),
		Compose(api.CheckInbox, func(ctx context.Context, c api.Caller, in api.EmailQuery) (*Answer, error) {
			return nudged(ctx, c, api.CheckInbox, in, in.Mailbox, listed)
		}),
		Render(api.ConfigureMailbox, plain[api.SetupRequest, api.Mailbox]),
		Render(api.UpdateMailbox, plain[api.MailboxRequest, api.Mailbox]),
		Render(api.CreateMailbox, plain[api.NewMailbox, api.Mailbox]),
		Render(api.DeleteMailbox, plain[api.MailboxName, api.Done]),
		Render(api.ReadEmail, read),
		Render(api.GetThread, conversed),
		Render(api.GetTags, plain[api.EmailRef, api.Tags]),
		Render(api.SetTags, plain[api.TagsRequest, api.Tags]),
		Render(api.DeleteTag, plain[api.TagRef, api.Deleted]),
		Render(api.SearchContacts, plain[api.ContactQuery, api.Contacts]),
		Render(api.AddContact, plain[api.NewContact, api.Contact]),
		Render(api.DeleteContact, plain[api.ContactRef, api.Deleted]),
		Render(api.EditScheduled, edited),
		Render(api.CancelMessage, plain[api.EmailRef, api.Receipt]),
		Render(api.DownloadAttachment, downloaded),
		Render(api.WaitForEmail, waited),
		Compose(api.GetUsage, used),
		Render(api.ListSpam, plain[api.SpamQuery, api.SpamMails]),
		Compose(api.ManageSpam, judged),
		Compose(api.ListPending, pending),
		Render(api.DecideEmail, plain[api.DecideRequest, api.Decided]),
		Render(api.UpdateAccount, plain[api.AccountPatch, api.Account]),
		Render(api.DeleteAccount, plain[api.AccountDeletion, api.DeletedAccount]),
		Render(api.GetAccount, plain[api.None, api.Account]),
		Render(api.GetAuditLog, logged),
		Render(api.ListSuppression, plain[api.SuppressionQuery, api.Suppressions]),
		Render(api.CreateWebhook, plain[api.NewWebhook, api.WebhookSecret]),
		Render(api.ListWebhooks, plain[api.None, api.Webhooks]),
		Render(api.DeleteWebhook, plain[api.WebhookRef, api.Done]),
		Render(api.RemoveSuppression, plain[api.SuppressionRef, api.Done]),
		Render(api.ListAllowlist, plain[api.MailboxRef, api.Allowlist]),
		Render(api.AddAllowlistEntry, plain[api.NewAllowRequest, api.AllowEntry]),
		Render(api.RemoveAllowlistEntry, plain[api.AllowRef, api.Done]),
		Render(api.ListAPIKeys, plain[api.None, api.Keys]),
		Render(api.CreateAPIKey, plain[api.NewKey, api.KeySecret]),
		Render(api.RevokeAPIKey, plain[api.KeyRef, api.Done]),
		Compose(api.RequestUpgrade, upgraded),
	}
}

// plain shows an answer that holds nothing from unknown peers.
func plain[In, Out any](_ In, out Out) *Answer { return &Answer{Data: out} }

func sentNew(in api.SendRequest, r api.Receipt) *Answer { return sent(in.Mailbox, r) }

func sentAnswer(in api.ReplyRequest, r api.Receipt) *Answer { return sent(in.Mailbox, r) }

func edited(in api.EditRequest, r api.Edited) *Answer {
	a := sent(in.Mailbox, r.Receipt)
	a.Data = r
	return a
}

func sent(mailbox string, r api.Receipt) *Answer {
	a := &Answer{Data: r, Warnings: len(r.Warnings) > 0, Links: []*mcp.ResourceLink{link(mailbox, r.ID)}}
	if r.Status == api.StatusHeld {
		a.held = &taskMail{mailbox, r.ID}
		a.Notes = append(a.Notes, fmt.Sprintf("The mail %s is waiting for a human to approve it. It has not been sent yet. "+
			"Do not send it again: call read_email with email_id %s and wait_seconds to learn the outcome.", r.ID, r.ID))
	}
	return a
}

func listed(_ api.EmailQuery, l api.Emails) *Answer {
	return &Answer{Data: l, Warnings: len(l.Emails) > 0}
}

func read(_ api.EmailRequest, m api.Email) *Answer {
	a := &Answer{Data: api.EmailFacts{Email: m}, Warnings: true, Foreign: []Foreign{{"EMAIL BODY", m.Text}}}
	if m.Status == api.StatusHeld {
		a.Notes = append(a.Notes, "Still waiting for a human. Do not send it again.")
	}
	return a
}

// conversed shows a thread. Whoever writes to it is listed, wanted or not.
func conversed(_ api.ThreadQuery, t api.Thread) *Answer { return &Answer{Data: t, Warnings: true} }

// downloaded shows an attachment; its content is a stranger's.
func downloaded(_ api.AttachmentRef, d api.Download) *Answer {
	return &Answer{Data: d, Warnings: true}
}

func waited(_ api.WaitQuery, w api.Waited) *Answer {
	return &Answer{Data: w, Warnings: w.Found}
}

// used counts, with the counts of each day where they are asked for.
func used(ctx context.Context, c api.Caller, in api.UsageQuery) (*Answer, error) {
	if in.Period == "daily" {
		in.Breakdown = "daily"
	}
	out, err := api.Call(ctx, c, api.GetUsage, in)
	return &Answer{Data: out}, err
}

// upgraded asks for a looser mode, or applies what was asked for.
func upgraded(ctx context.Context, c api.Caller, in api.UpgradeRequest) (*Answer, error) {
	if in.Action == "apply" {
		out, err := api.Call(ctx, c, api.ApplyUpgrade, api.UpgradeCode{MailboxRef: in.MailboxRef, Code: in.Code})
		return &Answer{Data: out}, err
	}
	out, err := api.Call(ctx, c, api.RequestUpgrade, in)
	return &Answer{Data: out}, err
}

// judged says that a mail is unwanted, or takes that back.
func judged(ctx context.Context, c api.Caller, in api.SpamReport) (*Answer, error) {
	if in.Action == "clear" {
		out, err := api.Call(ctx, c, api.ClearSpam, api.SpamRelease{ID: in.ID, Digest: in.Digest,
			Approval: api.Approval{ApprovalCode: in.Code}})
		return &Answer{Data: out}, err
	}
	out, err := api.Call(ctx, c, api.ManageSpam, api.SpamReport{ID: in.ID})
	return &Answer{Data: out}, err
}

// logged shows entries of the audit log; what is personal in them may be the
// words of unknown peers.
func logged(_ api.AuditQuery, l api.AuditLog) *Answer {
	return &Answer{Data: l, Warnings: len(l.Entries) > 0}
}

// pending shows a page of held mail, each with its review.
func pending(ctx context.Context, c api.Caller, in api.PendingQuery) (*Answer, error) {
	l, err := api.Call(ctx, c, api.ListPending, in)
	if err != nil {
		return nil, err
	}
	a := &Answer{Warnings: len(l.Emails) > 0}
	page := api.PendingFacts{Emails: make([]api.ReviewFacts, 0, len(l.Emails)), Cursor: l.Cursor}
	for _, p := range l.Emails {
		r, err := api.Call(ctx, c, api.ReviewEmail, api.MailRef{ID: p.ID})
		if gone(err) {
			continue // between the list and this
		}
		if err != nil {
			return nil, err
		}
		page.Emails = append(page.Emails, api.ReviewFacts{Review: r})
		a.Foreign = append(a.Foreign, segments(r)...)
	}
	a.Data = page
	return a, nil
}

// segments frames what a mail says, one frame for each run of one kind, so that
// no text can pass for another kind.
func segments(r api.Review) []Foreign {
	out := []Foreign{{What: "EMAIL BODY OF " + r.ID}}
	last := api.Segment{Kind: "text"}
	for _, s := range r.Segments {
		f := &out[len(out)-1]
		switch {
		case s.Kind != last.Kind || s.Depth != last.Depth || s.Note != last.Note:
			what := strings.ToUpper(s.Kind) + " IN EMAIL " + r.ID
			if s.Depth > 0 {
				what += fmt.Sprintf(", ATTACHED %d DEEP", s.Depth)
			}
			if s.Note != "" {
				s.Text = s.Note + ":\n" + s.Text
			}
			out = append(out, Foreign{what, s.Text})
		case f.Text == "":
			f.Text = s.Text
		default:
			f.Text += "\n\n" + s.Text
		}
		last = s
	}
	return out
}

func gone(err error) bool {
	var e *api.Error
	return errors.As(err, &e) && e.Status == http.StatusNotFound
}
