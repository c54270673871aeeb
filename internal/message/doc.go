// Package message reads and writes messages (RFC 5322, MIME) and makes what an
// approver is shown of one. It is the only package that parses them.
//
//	msg, err := message.Read(raw, message.ReadOptions{ID: id, Now: now, Host: "example.test"})
//	review := message.NewReview(msg.Raw)
package message
