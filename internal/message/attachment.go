package message

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"

	"github.com/multimail/multimail/mail"
)

// AttachedFile is what a mail holds beside its text: a file, an image in the text,
// another message.
type AttachedFile struct {
	Name        string // safe, and distinct within the mail: see SafeFileName
	ContentType string // media type as the sender wrote it, "application/octet-stream" if that is none
	Size        int64  // octets, decoded
	SHA256      string // hex, of the decoded octets
	Disposition string // "attachment", "inline" or ""
	ContentID   string // without brackets, "" if there is none
	Inline      bool   // a part of the text: an image that the page shows
	Part        string // MIME path, "" for one that stands in running text (uuencode)
	Warning     string // why the octets are not what every program would decode, or ""

	data []byte
}

// files lists the files of the tree in the order of their parts, and behind them
// those that stood in running text.
func (r *reader) files() (out []AttachedFile) {
	names := uniqueNames{}
	r.roles.eachFile(r.root, false, func(e *entity, related bool) { out = append(out, r.file(e, related, names)) })
	for _, u := range r.coded {
		out = append(out, AttachedFile{Name: names.name(SafeFileName(u.name)), ContentType: "application/octet-stream",
			Size: int64(len(u.data)), SHA256: digest(u.data), data: u.data})
	}
	return out
}

// disposed returns the disposition type, "" without one.
func (e *entity) disposed() string {
	if e.disposition == nil {
		return ""
	}
	if e.disposition.value == "inline" {
		return "inline"
	}
	return "attachment" // RFC 2183, section 2.8: what is unknown is one
}

// file describes one attachment.
func (r *reader) file(e *entity, related bool, names uniqueNames) AttachedFile {
	data, why := e.decode(r.left)
	if e.isMessage() && e.encoding != "base64" && e.encoding != "quoted-printable" {
		data, why = e.body, ""
	}
	a := AttachedFile{
		ContentType: safeType(e.kind), Size: int64(len(data)), SHA256: digest(data), Disposition: e.disposed(),
		ContentID: contentID(e.field("content-id")), Part: partName(e), Warning: why, data: data,
	}
	a.Inline = related && a.Disposition != "attachment" && a.ContentID != "" || a.Disposition == "inline" &&
		strings.HasPrefix(a.ContentType, "image/")
	if e.kind == "message/external-body" || e.kind == "message/partial" {
		a.Warning = "its content is elsewhere; it is not fetched"
	}
	name := ""
	if list := e.names(); len(list) > 0 {
		name = SafeFileName(utf8Value(list[0]))
	}
	if name == "" || name == "attachment" {
		name = "attachment"
		if e.isMessage() {
			if subject, _ := lineText(e.parts[0].field("subject"), 100); subject != "" {
				name = SafeFileName(subject)
			}
		}
		if !strings.HasSuffix(name, endings[a.ContentType]) || name == "attachment" {
			name += endings[a.ContentType]
		}
	}
	a.Name = names.name(name)
	if a.Warning != "" {
		r.warn.add("attachment " + a.Name + ": " + a.Warning)
	}
	return a
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// contentID returns the id without brackets, neutralised and bounded.
func contentID(v string) string {
	v = strings.TrimSuffix(strings.TrimPrefix(strings.TrimSpace(v), "<"), ">")
	if len(v) > maxMessageID {
		return ""
	}
	return mail.NeutralLine(v)
}

// FindAttachment returns one attachment of raw with its octets, by the name that
// NewReading gives it, or else by its number from 1 on.
func FindAttachment(raw []byte, name string) (AttachedFile, []byte, error) {
	list := NewReading(raw, ReadingLimits{}).Attachments
	for _, a := range list {
		if a.Name == name {
			return a, a.data, nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 1 && n <= len(list) {
		return list[n-1], list[n-1].data, nil
	}
	return AttachedFile{}, nil, mail.ErrNotFound.Errorf(
		"no such attachment; read the mail for the names of its attachments")
}

// Octets returns the content, decoded.
func (a AttachedFile) Octets() []byte { return a.data }
