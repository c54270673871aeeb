package api

// AttachmentRef names one attachment of a mail.
type AttachmentRef struct {
	EmailRef
	Filename string `path:"filename" json:"-" doc:"its name in read_email, or its number from 1" tool:"filename"`
}

// FileRef names an attachment by a ticket that stands for a credential.
type FileRef struct {
	Ticket string `path:"ticket" json:"-" doc:"what the answer of .../url holds"`
}

// AttachmentURL is where an attachment can be fetched without a credential.
type AttachmentURL struct {
	URL         string `json:"url" doc:"without a host where this server does not know its own name"`
	Filename    string `json:"filename" untrusted:"1"`
	SizeBytes   int64  `json:"size_bytes" doc:"decoded"`
	ContentType string `json:"content_type" untrusted:"1"`
	ExpiresIn   int    `json:"expires_in" doc:"seconds"`
}

// Download is an attachment: its content if that is small, or else its address.
type Download struct {
	Filename         string  `json:"filename" untrusted:"1"`
	ContentType      string  `json:"content_type" untrusted:"1"`
	SizeBytes        int64   `json:"size_bytes" doc:"decoded"`
	ContentBase64    *string `json:"content_base64,omitempty" doc:"of at most 50,000 octets; written by a stranger"`
	DownloadURL      string  `json:"download_url,omitempty" doc:"good without a credential until it expires"`
	ExpiresInSeconds int     `json:"expires_in_seconds,omitempty"`
	Note             string  `json:"note,omitempty"`
	Warning          string  `json:"warning,omitempty" doc:"why programs may decode it in other ways"`
}
