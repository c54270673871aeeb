package registry_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Whatever name can be set can be sent under: a name that composing refuses
// would stop every mail of the mailbox later.
func TestADisplayNameThatComposingRefusesIsNotSet(t *testing.T) {
	h := open(t)
	for _, name := range []string{
		"Demo", "Dämon, the agent", `"quoted"`, "a@b", "eve@evil.test", "<eve>", "Eve <eve@evil.test>", "=?utf-8?q?x?=",
		"x =?", strings.Repeat("n", 200), strings.Repeat("ü", 100), "a\tb", "a\u202eb", "bot@example.test",
		" a ", "a  b", "(c)", `\`, "名前",
	} {
		err := h.update(func(tx store.Tx) error {
			return patch(registry.MailboxPatch{DisplayName: &name})(h, tx, socket)
		})
		raw, composing := message.Compose(message.Draft{
			From: box, FromName: name, To: []mail.Address{watch}, Subject: "s", Markdown: "m"})
		if composing == nil {
			_, composing = message.Read(raw, message.ReadOptions{Now: zone})
		}
		if composing != nil && !errors.Is(err, registry.ErrInvalid) {
			t.Errorf("%q was set (%v), and composing says %v", name, err, composing)
		}
		if composing == nil && err != nil {
			t.Errorf("%q was refused: %v", name, err)
		}
	}
}
