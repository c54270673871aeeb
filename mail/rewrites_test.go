package mail

import "testing"

func TestTheListOfWhatARelayRewritesIsClosed(t *testing.T) {
	for _, tt := range []struct {
		names []string
		want  Rewrites
		ok    bool
	}{
		{nil, Rewrites{}, true},
		{[]string{"message-id"}, Rewrites{MessageID: true}, true},
		{[]string{"date", "message-id"}, Rewrites{MessageID: true, Date: true}, true},
		{[]string{"date", "date"}, Rewrites{}, false},
		{[]string{"Date"}, Rewrites{}, false},
		{[]string{"subject"}, Rewrites{}, false},
		{[]string{"from"}, Rewrites{}, false},
		{[]string{""}, Rewrites{}, false},
	} {
		if got, err := ParseRewrites(tt.names); got != tt.want || (err == nil) != tt.ok {
			t.Errorf("%q: %+v, %v", tt.names, got, err)
		}
	}
	all := Rewrites{MessageID: true, Date: true}
	if all.Covers("Message-ID") || all.Covers("Date") || !all.Covers("Subject") || !(Rewrites{}).Covers("Date") {
		t.Error("another field is left out of signatures than the one that is rewritten")
	}
}
