package httpd

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Limits of a draft; the size of the mail and the number of its recipients are
// the gate's business.
const (
	maxList       = 50      // addresses in To, in Cc, in Bcc
	maxSubject    = 998     // octets
	maxMarkdown   = 262_144 // octets
	maxFiles      = 50
	maxKey        = 200
	maxReferences = 100
	maxAhead      = 366 * 24 * time.Hour
)

// sendAny sends from the mailbox the body names, or from the only one.
func (s *Server) sendAny(ctx context.Context, c caller, in api.SendAnyRequest) (api.Receipt, error) {
	name := in.MailboxID
	switch {
	case name == "":
		name = in.From
	case in.From != "" && in.From != name:
		return s.refuseDraft(ctx, c, invalid("mailbox_id and from name different mailboxes; give one"))
	}
	if name != "" {
		return s.sendFrom(ctx, c, name, in.KeyHeader, in.Draft)
	}
	if len(c.Mailboxes) != 1 {
		return s.refuseDraft(ctx, c, &refusal{status: http.StatusBadRequest,
			text: "mailbox_id is needed: the credential does not have just one mailbox", hint: "GET /v1/mailboxes lists them"})
	}
	return s.sendFrom(ctx, c, c.Mailboxes[0].String(), in.KeyHeader, in.Draft)
}

func (s *Server) send(ctx context.Context, c caller, in api.SendRequest) (api.Receipt, error) {
	if in.MailboxID != "" || in.From != "" {
		return s.refuseDraft(ctx, c, invalid("the path names the mailbox; leave out mailbox_id and from"))
	}
	return s.sendFrom(ctx, c, in.Mailbox, in.KeyHeader, in.Draft)
}

// sendFrom hands a draft to the gate.
func (s *Server) sendFrom(
	ctx context.Context, c caller, name string, h api.KeyHeader, d api.Draft,
) (out api.Receipt, _ error) {
	if h.Key != "" {
		if d.IdempotencyKey != "" && d.IdempotencyKey != h.Key {
			return s.refuseDraft(ctx, c, invalid("the header Idempotency-Key and idempotency_key differ; give one"))
		}
		d.IdempotencyKey = h.Key
	}
	box, err := mail.ParseAddress(name)
	if err != nil {
		return s.refuseDraft(ctx, c, err)
	}
	if !c.Covers(box) {
		if err := s.o.Gate.Admit(ctx, c.Principal, box, 0, c.codes); err != nil { // the gate records it
			return out, err
		}
		return out, missing("mailbox")
	}
	sub, err := s.submission(ctx, c, box, d)
	if err != nil {
		return s.refuseDraft(ctx, c, err)
	}
	receipt, err := s.o.Gate.Submit(ctx, c.Principal, sub)
	if err != nil {
		return out, err
	}
	out = s.receipt(receipt.Mail, receipt.Replay)
	out.ThreadID = s.threadOf(ctx, receipt.Mail)
	return out, nil
}

// refuseDraft is noteDraft for a handler, which returns the refusal then.
func (s *Server) refuseDraft(ctx context.Context, c caller, why error) (out api.Receipt, _ error) {
	s.noteDraft(ctx, c, why)
	return out, why
}

// noteDraft records that an agent's draft never reached the gate, which records
// what it refuses itself.
func (s *Server) noteDraft(ctx context.Context, c caller, why error) {
	status, said := translate(why)
	if status >= 500 {
		return
	}
	facts := map[string]string{"code": strconv.Itoa(status), "door": c.door}
	if word := mail.WordOf(why); word != "" {
		facts["reason"] = word
	}
	s.o.Gate.NoteRefusal(ctx, c.Principal, audit.Record{Kind: audit.SubmitRefuse, Facts: facts,
		Private: map[string]string{"text": said.Message}})
}

// receipt words what became of a submission.
func (s *Server) receipt(m *mail.Mail, replay bool) api.Receipt {
	word := statusWord(m, s.o.Now())
	return api.Receipt{ID: string(m.ID), Status: word, ThreadID: string(m.ID), Digest: string(m.Digest),
		Message: advice(word), Idempotent: replay}
}

// tagsOf returns the tags of a mail.
func (s *Server) tagsOf(ctx context.Context, m *mail.Mail) (tags map[string]string) {
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		tags, err = s.o.Inbox.Tags(tx, m.Mailbox, m.ID)
		return err
	})
	if err != nil && !errors.Is(err, mail.ErrNotFound) {
		s.o.Log.Error("tags", "mail", string(m.ID), "err", err)
	}
	return tags
}

// advice says in a sentence what a status asks of the author.
func advice(word string) string {
	switch word {
	case api.StatusHeld:
		return "Held: a human must approve this mail before it leaves. It is stored and waits; " +
			"do not send it again. Ask for its status to learn the decision."
	case api.StatusScheduled:
		return "Scheduled: the mail is stored and leaves at its time; do not send it again."
	case api.StatusQueued:
		return "Queued: the mail is stored and on its way; do not send it again."
	case api.StatusSent:
		return "Sent already; do not send it again."
	}
	return "This mail has ended with the status " + word + " and will not be sent again by itself."
}

// submission turns a draft into what the gate takes. Every address is parsed
// once here, and nothing is written from the client's own spelling (invariant 9).
func (s *Server) submission(ctx context.Context, c caller, box mail.Address, d api.Draft) (gate.Submission, error) {
	var sub gate.Submission
	if err := checkDraft(d); err != nil {
		return sub, err
	}
	lists, rcpts, err := recipients(d)
	if err != nil {
		return sub, err
	}
	files, err := attachments(d.Attachments)
	if err != nil {
		return sub, err
	}
	at, err := sendAt(d.SendAt, s.o.Now())
	if err != nil {
		return sub, err
	}
	m, err := s.boxOf(ctx, box)
	if err != nil {
		return sub, err
	}
	timing, err := timingOf(m, d)
	if err != nil {
		return sub, err
	}
	var raw []byte
	err = s.work(ctx, c, func() (err error) {
		raw, err = message.Compose(message.Draft{
			From: box, FromName: m.DisplayName, To: lists[0], Cc: withAutoCC(lists, m),
			Subject: d.Subject, Markdown: d.Markdown, Signature: m.Signature, Attachments: files,
			InReplyTo: d.InReplyTo, References: references(d), Answer: d.InReplyTo != "",
		})
		return err
	})
	if err != nil {
		return sub, err
	}
	print, err := fingerprint(d)
	return gate.Submission{
		Mailbox: box, Envelope: mail.Envelope{From: box, Rcpts: rcpts}, Raw: raw,
		Door: c.door, Codes: c.codes, TLS: c.tls, NotBefore: at, Timing: timing,
		IdempotencyKey: d.IdempotencyKey, Fingerprint: print,
	}, err
}

// references returns the thread of a draft. An answer whose thread is not given
// names at least the mail that it answers (RFC 5322, section 3.6.4).
func references(d api.Draft) string {
	if len(d.References) == 0 {
		return d.InReplyTo
	}
	return strings.Join(d.References, " ")
}

// checkDraft checks what no other package does; message.Compose refuses line breaks
// and other controls in whatever goes into the header.
func checkDraft(d api.Draft) error {
	switch {
	case len(d.To) == 0:
		return invalid("to must name at least one address")
	case len(d.Subject) > maxSubject:
		return over(mail.LimitDraftSubject, "subject is longer than %d octets", maxSubject)
	case len(d.Markdown) > maxMarkdown:
		return over(mail.LimitDraftMarkdown, "markdown is longer than %d octets", maxMarkdown)
	case d.Markdown == "" && len(d.Attachments) == 0:
		return invalid("markdown is empty")
	case strings.ContainsRune(d.Markdown, 0):
		return invalid("markdown has a NUL")
	case len(d.Attachments) > maxFiles:
		return over(mail.LimitDraftAttachments, "more than %d attachments", maxFiles)
	case len(strings.Fields(d.InReplyTo)) > 1:
		return invalid("in_reply_to must be one Message-ID")
	case len(d.References) > maxReferences:
		return over(mail.LimitDraftReferences, "references has more than %d Message-IDs", maxReferences)
	case slices.ContainsFunc(d.References, func(id string) bool { return len(strings.Fields(id)) != 1 }):
		return invalid("references must be a list of Message-IDs, one each")
	case len(d.IdempotencyKey) > maxKey || !mail.AllPrintable(d.IdempotencyKey):
		return invalid("idempotency_key must be up to %d printable ASCII characters", maxKey)
	}
	return nil
}

// hasControls reports whether s could end a line of a header in some reader.
func hasControls(s string) bool {
	return strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' || c == 0x7f || c >= 0x80 && c < 0xa0 || c == '\u2028' || c == '\u2029'
	})
}

// recipients parses To, Cc and Bcc, and joins them to the envelope: each once.
func recipients(d api.Draft) (lists [3][]mail.Address, rcpts []mail.Rcpt, err error) {
	seen := map[string]bool{}
	for i, list := range [3][]string{d.To, d.Cc, d.Bcc} {
		name := [3]string{"to", "cc", "bcc"}[i]
		if len(list) > maxList {
			return lists, nil, over(mail.LimitDraftAddresses, "%s has more than %d addresses", name, maxList)
		}
		for n, text := range list {
			a, err := mail.ParseAddress(text)
			if err != nil {
				var e *mail.Error
				errors.As(err, &e)
				return lists, nil, invalid("%s[%d]: %s", name, n, e.Public)
			}
			lists[i] = append(lists[i], a)
			if !seen[a.Key()] {
				seen[a.Key()] = true
				rcpts = append(rcpts, mail.Rcpt{Addr: a, Standing: mail.Pending})
			}
		}
	}
	return lists, rcpts, nil
}

// attachments decodes the files of a draft.
func attachments(list []api.Attachment) ([]message.Attachment, error) {
	var out []message.Attachment
	for i, a := range list {
		switch {
		case a.Name == "" || len(a.Name) > 200 || hasControls(a.Name):
			return nil, invalid("attachments[%d].name must be 1 to 200 octets without control characters", i)
		case len(a.ContentType) > 200 || hasControls(a.ContentType):
			return nil, invalid("attachments[%d].content_type is malformed", i)
		case strings.ContainsAny(a.ContentBase64, "\r\n"):
			return nil, invalid("attachments[%d].content_base64 must be one line of base64", i)
		}
		data, err := base64.StdEncoding.Strict().DecodeString(a.ContentBase64)
		if err != nil {
			return nil, invalid("attachments[%d].content_base64 is not base64", i)
		}
		out = append(out, message.Attachment{Name: a.Name, Type: a.ContentType, Data: data})
	}
	return out, nil
}

// sendAt reads the time of a scheduled mail.
func sendAt(text string, now time.Time) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339, text)
	switch {
	case err != nil || !strings.HasSuffix(text, "Z"):
		return t, invalid("send_at must be a time in UTC like 2026-01-31T08:00:00Z")
	case !t.After(now):
		return t, invalid("send_at is in the past")
	case t.After(now.Add(maxAhead)):
		return t, invalid("send_at is more than a year ahead")
	}
	return t, nil
}

// fingerprint says whether a repeated request asks for the same.
func fingerprint(d api.Draft) (string, error) {
	d.IdempotencyKey, d.MailboxID, d.From = "", "", "" // the gate finds records by key and mailbox
	b, err := json.Marshal(d)
	if err != nil {
		return "", fmt.Errorf("httpd: fingerprint: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}

// boxOf returns the mailbox that a mail is written for.
func (s *Server) boxOf(ctx context.Context, box mail.Address) (m registry.Mailbox, _ error) {
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		m, err = s.o.Registry.Mailbox(tx, box)
		return err
	})
	return m, err
}
