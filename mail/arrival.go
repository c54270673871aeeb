package mail

// Arrival is how an incoming mail came from the world, and what was found about who
// sent it. Notices, which this installation writes itself, have none.
type Arrival struct {
	Helo   string `json:"helo,omitempty"`   // what the client called itself
	Remote string `json:"remote,omitempty"` // its IP address; empty over a unix socket
	Hop    string `json:"hop,omitempty"`    // the trusted hop it came through, by its configured name
	// Transaction is what the door calls the transaction, in Received and to filters: each of
	// its mails gets an id of its own, after they were asked.
	Transaction string         `json:"transaction,omitempty"`
	Auth        Authentication `json:"auth,omitzero"`
	// Warnings say what of the message could not be read as it stands, in our words.
	Warnings []string `json:"warnings,omitempty"`
}

// Transaction returns what the mail is called where it is submitted or brought: the id of a
// submission, and the name of the transaction of a mail from the world.
func (m *Mail) Transaction() string {
	if m.Arrival != nil && m.Arrival.Transaction != "" {
		return m.Arrival.Transaction
	}
	return string(m.ID)
}

// Authentication is what the checks of a sender found (RFC 8601). The zero Check
// stands where nothing was checked.
type Authentication struct {
	SPF      Check   `json:"spf,omitzero"`   // of MAIL FROM; of the EHLO name where the sender is null
	HELO     Check   `json:"helo,omitzero"`  // SPF of the EHLO name, beside that of MAIL FROM
	DKIM     []Check `json:"dkim,omitempty"` // one for each signature that was looked at
	DMARC    Check   `json:"dmarc,omitzero"`
	ARC      Check   `json:"arc,omitzero"`
	Identity Check   `json:"identity,omitzero"` // the X-MultiMail-Identity header of another installation
	// Quarantine: the DMARC policy of the domain in From, as the configuration has it,
	// demands that the mail waits for an approver.
	Quarantine bool `json:"quarantine,omitempty"`
}

// Check is the result of one method.
type Check struct {
	Result string `json:"result"`           // a word of RFC 8601, section 2.7: pass, fail, softfail, neutral, none, …
	Domain string `json:"domain,omitempty"` // which domain it speaks of
	Detail string `json:"detail,omitempty"` // our words
}

// Passed reports whether the method vouches for the domain.
func (c Check) Passed() bool { return c.Result == "pass" }
