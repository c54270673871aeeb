package inbox

import (
	"fmt"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// Notice is what a delivery notice says of itself to machines, in two fields of
// its own header.
type Notice struct {
	About  mail.ID // X-MultiMail-About: the mail it tells of
	Action string  // X-MultiMail-Action: what became of it, see actions
}

// actions are those of RFC 3464, section 2.3.3, and our own two: an approver
// said no, or nobody decided in time.
var actions = [...]string{"failed", "delayed", "delivered", "relayed", "rejected", "expired"}

// ParseNotice reads the header of a notice; what stands in its body, such as
// the header of the mail it is about, counts for nothing.
func ParseNotice(raw []byte) (Notice, error) {
	id, err := only(raw, "X-MultiMail-About")
	if err != nil {
		return Notice{}, err
	}
	about, err := mail.ParseID(id)
	if err != nil {
		return Notice{}, fmt.Errorf("notice: %w", err)
	}
	action, err := only(raw, "X-MultiMail-Action")
	if err != nil {
		return Notice{}, err
	}
	if !slices.Contains(actions[:], action) {
		return Notice{}, fmt.Errorf("notice: unknown action %q", action)
	}
	return Notice{About: about, Action: action}, nil
}

// only returns the value of a field that stands there exactly once.
func only(raw []byte, name string) (string, error) {
	v := message.Fields(raw, name)
	if len(v) != 1 {
		return "", fmt.Errorf("notice: %d fields %s", len(v), name)
	}
	return strings.TrimSpace(v[0]), nil
}
