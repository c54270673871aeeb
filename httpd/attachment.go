package httpd

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/inbox"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/throttle"
	"github.com/multimail/multimail/mail"
)

// maxContent is how many octets of an attachment stand in an answer in JSON. What
// is larger is fetched by its address.
const maxContent = 50_000

// filesPerMinute is how many attachments one source may fetch without a credential.
const filesPerMinute = 60

// attached returns one attachment of a mail that its mailbox shows, with its octets.
func (s *Server) attached(
	ctx context.Context, c caller, box mail.Address, id mail.ID, name string,
) (a message.AttachedFile, octets []byte, err error) {
	m, err := s.o.Queue.Mail(ctx, id)
	if errors.Is(err, mail.ErrNotFound) || err == nil && (!box.IsZero() && m.Mailbox.Key() != box.Key() || !m.Visible()) {
		return a, nil, missing("mail")
	}
	if err != nil {
		return a, nil, err
	}
	err = s.octets(ctx, c, id, func(raw []byte) (err error) {
		a, octets, err = message.FindAttachment(raw, name)
		return err
	})
	return a, octets, err
}

// askedFor returns the attachment that a caller with a credential names. Who is no
// agent of the mailbox leaves an entry in the audit log before it gets anything.
func (s *Server) askedFor(ctx context.Context, c caller, in api.AttachmentRef) (
	id mail.ID, a message.AttachedFile, octets []byte, err error,
) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return "", a, nil, err
	}
	if id, err = pathID(in.Email); err != nil {
		return "", a, nil, err
	}
	if a, octets, err = s.attached(ctx, c, box, id, in.Filename); err != nil {
		return "", a, nil, err
	}
	return id, a, octets, s.noteRead(ctx, c, id, "attachment")
}

// attachment writes the octets of an attachment.
func (s *Server) attachment(
	ctx context.Context, c caller, in api.AttachmentRef, w http.ResponseWriter, _ *http.Request,
) error {
	_, a, octets, err := s.askedFor(ctx, c, in)
	if err != nil {
		return err
	}
	writeFile(w, a.Name, octets)
	return nil
}

// attachmentURL makes an address that anybody who has it can fetch for an hour.
func (s *Server) attachmentURL(ctx context.Context, c caller, in api.AttachmentRef) (out api.AttachmentURL, _ error) {
	id, a, _, err := s.askedFor(ctx, c, in)
	if err != nil {
		return out, err
	}
	address, err := s.address(ctx, id, a.Name)
	if err != nil {
		return out, err
	}
	return api.AttachmentURL{URL: address, Filename: a.Name, SizeBytes: a.Size, ContentType: a.ContentType,
		ExpiresIn: int(ticketLife / time.Second)}, nil
}

// download answers with the octets of a small attachment, and with the address of a
// larger one.
func (s *Server) download(ctx context.Context, c caller, in api.AttachmentRef) (out api.Download, _ error) {
	id, a, octets, err := s.askedFor(ctx, c, in)
	if err != nil {
		return out, err
	}
	out = api.Download{Filename: a.Name, ContentType: a.ContentType, SizeBytes: a.Size, Warning: a.Warning}
	if len(octets) <= maxContent {
		content := base64.StdEncoding.EncodeToString(octets)
		out.ContentBase64 = &content
		return out, nil
	}
	if out.DownloadURL, err = s.address(ctx, id, a.Name); err != nil {
		return api.Download{}, err
	}
	out.ExpiresInSeconds = int(ticketLife / time.Second)
	out.Note = "too large for this answer; fetch download_url, which needs no credential, before it expires"
	return out, nil
}

// address returns where the bearer of a ticket fetches an attachment.
func (s *Server) address(ctx context.Context, id mail.ID, name string) (string, error) {
	item, err := s.shownItem(ctx, id)
	if err != nil {
		return "", err
	}
	if item.Status == inbox.Deleted {
		return "", &refusal{status: http.StatusConflict, text: "the mail is deleted: there is no address for its files",
			hint: "give the mail another status first"}
	}
	base, _ := s.base.Load().(string)
	return base + "/v1/files/" + s.tickets.issue(id, item.Gone, name, s.o.Now()), nil
}

// shownItem returns what the mailbox of a mail knows of it, if it shows it.
func (s *Server) shownItem(ctx context.Context, id mail.ID) (item inbox.Item, _ error) {
	m, err := s.o.Queue.Mail(ctx, id)
	if err == nil {
		err = s.o.Store.View(ctx, func(tx store.Tx) (err error) {
			item, err = s.o.Inbox.Item(tx, m.Mailbox, id)
			return err
		})
	}
	if errors.Is(err, mail.ErrNotFound) {
		return item, errUnseen
	}
	return item, err
}

// file hands an attachment to the bearer of a ticket. Whether the mail may be seen
// is asked anew each time: a ticket is void once the mail was deleted, reported or
// quarantined, whatever became of it since.
func (s *Server) file(ctx context.Context, c caller, in api.FileRef, w http.ResponseWriter, r *http.Request) error {
	if source, limited := throttle.Source(remote(r)); limited {
		if wait := s.fetches.Take(source); wait > 0 {
			return tooFast(mail.LimitFileRate, wait, "too many attachments are fetched from this address")
		}
	}
	of, err := s.tickets.open(in.Ticket, s.o.Now())
	if err != nil {
		return missing("file")
	}
	item, err := s.shownItem(ctx, of.mail)
	if errors.Is(err, errUnseen) || err == nil && (item.Status == inbox.Deleted || uint32(item.Gone) != of.gone) {
		return missing("file")
	}
	if err != nil {
		return err
	}
	var name string
	var octets []byte
	err = s.octets(ctx, c, of.mail, func(raw []byte) error {
		for _, a := range message.NewReading(raw, message.ReadingLimits{}).Attachments {
			if of.is(a.Name) {
				name, octets = a.Name, a.Octets()
				return nil
			}
		}
		return missing("file")
	})
	if errors.Is(err, errUnseen) {
		return missing("file")
	}
	if err != nil {
		return err
	}
	writeFile(w, name, octets)
	return nil
}

// writeFile writes octets from a stranger so that a browser saves them and does
// nothing else with them. name is a safe one: see message.SafeFileName.
func writeFile(w http.ResponseWriter, name string, octets []byte) {
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment; filename*=UTF-8''"+url.PathEscape(name))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "sandbox; default-src 'none'")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "private, no-store")
	h.Set("Content-Length", strconv.Itoa(len(octets)))
	w.WriteHeader(http.StatusOK)
	w.Write(octets)
}
