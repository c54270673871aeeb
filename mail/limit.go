package mail

// Limit names a bound that a client, a peer or an operator can reach. Every
// name is a row of docs/limits.md and a value of the label of the counter
// mail_limit_reached_total; a test compares all three.
type Limit string

// The limits. Each stands below the package that enforces it.
const (
	// gate: of one submission.
	LimitMessageSize Limit = "message_size"
	LimitRecipients  Limit = "recipients"

	// httpd: of one connection.
	LimitHTTPIdleStranger Limit = "http_idle_stranger"
)

// Over returns a copy of e that says which limit was reached.
func (e *Error) Over(l Limit) *Error {
	c := *e
	c.Limit = l
	return &c
}
