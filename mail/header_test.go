package mail

import (
	"fmt"
	"testing"
)

func TestARecordKeepsNoEndlessListsAndHidesNoRecipient(t *testing.T) {
	m := Mail{}
	for i := range 1000 {
		m.Header.To = append(m.Header.To, MustAddress(fmt.Sprintf("u%d@b.example", i)))
	}
	m.Envelope.Rcpts = []Rcpt{{Addr: m.Header.To[0]}, {Addr: m.Header.To[999]}}
	m.Header, m.More = m.Header.Cut(m.Envelope)
	if len(m.Header.To) != 101 || m.More != 899 {
		t.Errorf("%d kept, %d more", len(m.Header.To), m.More)
	}
	for _, r := range m.Envelope.Rcpts {
		if m.Hidden(r.Addr) {
			t.Errorf("%s stands in To and is called hidden", r.Addr)
		}
	}
}
