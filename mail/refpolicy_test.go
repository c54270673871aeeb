package mail

import (
	"encoding/json"
	"testing"
)

func TestAWayToNameAnAgentIsOneOfThree(t *testing.T) {
	for i, name := range []string{"plain", "hmac", "none"} {
		p, err := ParseRefPolicy(name)
		if err != nil || p != RefPolicy(i) || p.String() != name {
			t.Errorf("%s: %v, %v", name, p, err)
		}
		b, err := json.Marshal(p)
		var back RefPolicy
		if err != nil || json.Unmarshal(b, &back) != nil || back != p {
			t.Errorf("%s: %s, %v, %v", name, b, back, err)
		}
	}
	for _, bad := range []string{"", "PLAIN", "hash", " none"} {
		if _, err := ParseRefPolicy(bad); err == nil {
			t.Errorf("%q is taken", bad)
		}
		if err := json.Unmarshal([]byte(`"`+bad+`"`), new(RefPolicy)); err == nil {
			t.Errorf("%q is read", bad)
		}
	}
	if b, err := RefPolicy(3).MarshalText(); err == nil {
		t.Errorf("a fourth way is written as %s", b)
	}
}

// A release of a mailbox from before the setting reads as plain.
func TestAReleaseWithoutAWayNamesTheAgentPlainly(t *testing.T) {
	var r Release
	if err := json.Unmarshal([]byte(`{"mode":"gated_send","agent_ref":"a1"}`), &r); err != nil || r.RefPolicy != RefPlain {
		t.Errorf("%+v, %v", r, err)
	}
}
