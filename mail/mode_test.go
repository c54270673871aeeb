package mail

import (
	"encoding/json"
	"testing"
)

func TestModesAreOrderedByAutonomy(t *testing.T) {
	want := []string{"read_only", "gated_all", "gated_send", "monitored", "autonomous"}
	for i, m := range Modes {
		if m.String() != want[i] || int(m) != i {
			t.Errorf("mode %d is %s, want %s", i, m, want[i])
		}
	}
	if !(ReadOnly < GatedAll && GatedAll < GatedSend && GatedSend < Monitored && Monitored < Autonomous) {
		t.Error("the order is not that of autonomy")
	}
}

func TestModesAndBasesKeepTheirNamesThroughJSON(t *testing.T) {
	for _, m := range Modes {
		b, err := json.Marshal(m)
		var back Mode
		if err != nil || json.Unmarshal(b, &back) != nil || back != m {
			t.Errorf("%v became %s and then %v: %v", m, b, back, err)
		}
		if p, err := ParseMode(m.String()); err != nil || p != m {
			t.Errorf("ParseMode(%q) = %v, %v", m.String(), p, err)
		}
	}
	for _, v := range []Basis{NoBasis, Open, Allowlist, Approved} {
		b, err := json.Marshal(v)
		var back Basis
		if err != nil || json.Unmarshal(b, &back) != nil || back != v {
			t.Errorf("%v became %s and then %v: %v", v, b, back, err)
		}
	}
}

func TestUnknownModeIsAnErrorAndNeverADefault(t *testing.T) {
	for _, s := range []string{"", "Autonomous", "auto", "gated", "mode(9)"} {
		if m, err := ParseMode(s); err == nil {
			t.Errorf("ParseMode(%q) = %v", s, m)
		}
		var b Basis
		if b.UnmarshalText([]byte(s)) == nil {
			t.Errorf("%q was read as a basis", s)
		}
	}
	m := GatedSend
	if m.UnmarshalText([]byte("free")) == nil || m != GatedSend {
		t.Errorf("an unknown name changed the mode to %v", m)
	}
	if _, err := Mode(9).MarshalText(); err == nil {
		t.Error("a mode without a name was written")
	}
	if Mode(9).String() != "mode(9)" || Basis(9).String() != "basis(9)" || State(99).String() != "state(99)" {
		t.Error("unknown values print misleadingly")
	}
}
