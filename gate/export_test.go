package gate

import (
	"github.com/multimail/multimail/internal/message"
)

// Render sets how g renders notices.
func Render(g *Gate, render func(message.Notice) []byte) { g.render = render }
