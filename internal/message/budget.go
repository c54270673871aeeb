package message

// budget bounds what is made of one message, in octets that are left. Whoever
// decodes, copies or shows a part of it asks first, so that no nesting,
// encoding or repetition makes a small message expensive: what a mail costs grows
// with its size alone.
type budget struct {
	built   int // decoded forms: parts, nested messages, text, links, header values
	scanned int // octets read again, once for each level they stand in
}

// What one message may cost. A text costs its decoded form and what is shown
// of it; base64 in base64 shrinks, and so do honest mails of any depth.
const (
	buildFactor = 4
	buildSlack  = 1 << 20 // what the smallest message may cost
	scanFactor  = 20
	scanSlack   = 32 << 20 // milliseconds
)

// whyWork says that the budget is spent.
const whyWork = "it takes too much work to decode or to show; look at the raw message"

func newBudget(size int) *budget {
	return &budget{built: buildFactor*size + buildSlack, scanned: scanFactor*size + scanSlack}
}

// build reports whether n more octets may be built, and counts them if so.
func (b *budget) build(n int) bool {
	if n > b.built {
		return false
	}
	b.built -= n
	return true
}

// refund gives back what was asked for and not built.
func (b *budget) refund(n int) { b.built += n }

// scan reports whether n octets may be read once more, and counts them if so.
func (b *budget) scan(n int) bool {
	if n > b.scanned {
		return false
	}
	b.scanned -= n
	return true
}

// maxDecoded is how many octets a transfer encoding may decode to.
func maxDecoded(encoding string, body []byte) int {
	switch encoding {
	case "base64":
		return len(body)/4*3 + 3
	case "quoted-printable":
		return len(body)
	}
	return 0 // the octets themselves
}

// decode undoes the transfer encoding of e once.
func (e *entity) decode(b *budget) (data []byte, why string) {
	if !e.decoded {
		e.decoded = true
		if !b.build(maxDecoded(e.encoding, e.body)) || !b.scan(len(e.body)) {
			e.data, e.damage = nil, whyWork
		} else {
			e.data, e.damage = decodeTransfer(e.encoding, e.body)
		}
	}
	return e.data, e.damage
}
