package mail

// Notice says that an incoming mail is a delivery status notification of this
// installation (RFC 3464) about a mail that an agent submitted.
type Notice struct {
	About  ID     `json:"about"`
	Action string `json:"action"` // RFC 3464, 2.3.3: failed, relayed; ours beside it: rejected, expired
}
