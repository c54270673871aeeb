package api

import "time"

// EmailPatch says what the reader of a received mail has done with it.
type EmailPatch struct {
	EmailRef
	Status string `json:"status" doc:"unread, read, archived or deleted" enum:"unread,read,archived,deleted"`
}

// Tags are the tags of a mail: words of its reader, each with a value.
type Tags struct {
	Tags map[string]string `json:"tags" doc:"an agent may have copied them from a mail" untrusted:"1"`
}

// TagsRequest gives a mail tags.
type TagsRequest struct {
	EmailRef
	Tags    map[string]string `json:"tags" doc:"tags to add or to change; others stay"`
	Replace bool              `query:"replace" json:"-" doc:"others go" tool:"-"`
}

// TagRef names a tag of a mail.
type TagRef struct {
	EmailRef
	Key string `path:"key" json:"-" doc:"key of the tag" tool:"key"`
}

// Deleted says whether something that was to go was there.
type Deleted struct {
	Deleted bool `json:"deleted"`
}

// ThreadQuery chooses a page of a thread.
type ThreadQuery struct {
	MailboxRef
	Thread string `path:"thread" json:"-" doc:"id of the thread" tool:"thread_id"`
	Limit  int    `query:"limit" doc:"length of the page" min:"1" max:"100" default:"50"`
	Cursor string `query:"cursor" doc:"of the page before, for what is older"`
}

// Thread is a conversation of one mailbox.
type Thread struct {
	ThreadID     string    `json:"thread_id"`
	MessageCount int       `json:"message_count"`
	Participants []string  `json:"participants" doc:"whom its mail names, by address; at most 100"`
	More         bool      `json:"more_participants,omitempty" doc:"there are further participants"`
	LastActivity time.Time `json:"last_activity"`
	Unanswered   bool      `json:"has_unanswered_inbound" doc:"nothing was sent after the newest mail of a person"`
	Emails       []Summary `json:"emails" doc:"its newest mail, oldest first"`
	Cursor       string    `json:"cursor,omitempty" doc:"of older mail; empty: there is none"`
}

// NewContact is somebody to keep the address of.
type NewContact struct {
	Name    string   `json:"name,omitempty" tool:",required" doc:"name; left out: the local part of the address"`
	Email   string   `json:"email" doc:"address"`
	Tags    []string `json:"tags,omitempty" doc:"words to find it by"`
	Mailbox string   `json:"mailbox_id,omitempty" doc:"mailbox that keeps it; not needed when there is only one"`
}

// ContactQuery chooses contacts.
type ContactQuery struct {
	Text string `query:"q" doc:"part of a name, an address or a tag; left out: all" tool:"query"`
}

// ContactRef names a contact.
type ContactRef struct {
	ID string `path:"id" json:"-" doc:"id of the contact" tool:"contact_id"`
	ApprovalHeader
}

// Contact is somebody whose address a mailbox keeps.
type Contact struct {
	ID        string    `json:"id"`
	Name      string    `json:"name" untrusted:"1"`
	Email     string    `json:"email"`
	Tags      []string  `json:"tags" untrusted:"1"`
	MailboxID string    `json:"mailbox_id"`
	CreatedAt time.Time `json:"created_at"`
}

// Contacts are those that were asked for, by name.
type Contacts struct {
	Contacts []Contact `json:"contacts"`
	More     bool      `json:"more,omitempty" doc:"there are further ones; ask for a longer part"`
}
