package mail

import (
	"encoding/json"
	"testing"
)

func TestModesKeepTheirNamesAndNumbers(t *testing.T) {
	want := []string{"read_only", "gated_all", "gated_send", "monitored", "autonomous"}
	for i, m := range Modes {
		if m.String() != want[i] || int(m) != i {
			t.Errorf("mode %d is %s, want %s", i, m, want[i])
		}
	}
}

// TestAModeTightensToThoseThatOverseeNoKindOfMailLess has the reason for each pair.
func TestWhichChangeOfModeTightens(t *testing.T) {
	want := map[string]bool{
		"autonomous monitored": true, "autonomous gated_send": true, "autonomous gated_all": true,
		"autonomous read_only": true, "monitored gated_all": true, "monitored read_only": true,
		"gated_send gated_all": true, "gated_send read_only": true,
	}
	for _, from := range append(Modes[:], Mode(9)) {
		for _, to := range append(Modes[:], Mode(9)) {
			if pair := from.String() + " " + to.String(); from.TightensTo(to) != want[pair] {
				t.Errorf("%s: tightens is %t", pair, !want[pair])
			}
		}
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
