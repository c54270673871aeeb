package relay

import (
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/mail"
)

func TestRecipientsWithTheirOwnReturnPathGetTheirOwnTransaction(t *testing.T) {
	hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Rcpt: map[string]string{"b1@x.test": "550 5.1.1 nobody"}})
	m := newMail("b0@x.test", "b1@x.test", "b2@x.test", "plain@x.test", "plain2@x.test")
	for i := range 3 {
		m.Envelope.Rcpts[i].ReturnPath = mail.MustAddress(fmt.Sprintf("token%d@bounce.agents.test", i))
	}
	got := deliver(t, to(t, hop, Options{}), m)
	check(t, got, "delivered 250 2.0.0", "permanent 550 5.1.1", "delivered 250 2.0.0",
		"delivered 250 2.0.0", "delivered 250 2.0.0")
	for i, alone := range []bool{true, true, true, false, false} {
		if got[i].Alone != alone {
			t.Errorf("%s: alone %v", got[i].Addr, got[i].Alone)
		}
	}
	var seen []string
	for _, tx := range hop.Transactions() {
		if tx.Taken {
			seen = append(seen, tx.From+" "+strings.Join(tx.Rcpts, ","))
		}
	}
	want := []string{"token0@bounce.agents.test b0@x.test", "token2@bounce.agents.test b2@x.test",
		"a@agents.test plain@x.test,plain2@x.test"}
	if fmt.Sprint(seen) != fmt.Sprint(want) {
		t.Errorf("got %q", seen)
	}
	if n := hop.Conns(); n != 1 {
		t.Errorf("%d connections for one destination", n)
	}
}

// What the reply to DATA says of several recipients is about none of them.
func TestARefusalIsAboutOneRecipientOnlyWhereThereIsNoOther(t *testing.T) {
	for _, tt := range []struct {
		name  string
		fault map[mailtest.Step]mailtest.Fault
		rcpts []string
		alone bool
	}{
		{"RCPT of two", map[mailtest.Step]mailtest.Fault{mailtest.AtRCPT: {Reply: "550 5.1.1 no"}},
			[]string{"b@x.test", "c@x.test"}, true},
		{"dot of two", map[mailtest.Step]mailtest.Fault{mailtest.AtDot: {Reply: "550 5.1.1 no"}},
			[]string{"b@x.test", "c@x.test"}, false},
		{"dot of one", map[mailtest.Step]mailtest.Fault{mailtest.AtDot: {Reply: "550 5.1.1 no"}},
			[]string{"b@x.test"}, true},
		{"MAIL of one", map[mailtest.Step]mailtest.Fault{mailtest.AtMAIL: {Reply: "550 5.1.1 no"}},
			[]string{"b@x.test"}, false},
	} {
		hop := mailtest.NewNextHop(t, mailtest.NextHopOptions{Faults: tt.fault})
		for _, r := range deliver(t, to(t, hop, Options{}), newMail(tt.rcpts...)) {
			if r.Alone != tt.alone || !r.Permanent {
				t.Errorf("%s: %+v", tt.name, r)
			}
		}
	}
}
