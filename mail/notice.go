package mail

import "slices"

// Notice says that an incoming mail is a delivery status notification of this
// installation (RFC 3464) about a mail that an agent submitted.
type Notice struct {
	About  ID     `json:"about"`
	Action string `json:"action"` // one of NoticeActions
}

// NoticeActions are those of RFC 3464, section 2.3.3, and our own two: an approver
// said no, or nobody decided in time.
var NoticeActions = [...]string{"failed", "delayed", "delivered", "relayed", "rejected", "expired"}

// Valid reports whether the notice names a mail and a known action.
func (n Notice) Valid() bool {
	_, err := ParseID(string(n.About))
	return err == nil && slices.Contains(NoticeActions[:], n.Action)
}
