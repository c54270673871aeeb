package sign

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/multimail/multimail/mail"
)

// fill returns the longest operator name that CheckBudget lets pass beside
// these names, made of unit.
func fill(t *testing.T, domain, address, unit string) string {
	t.Helper()
	op := unit
	if err := CheckBudget(domain, address, op, ""); err != nil {
		t.Fatalf("%s: %v", address, err)
	}
	for CheckBudget(domain, address, op+unit, "") == nil {
		op += unit
	}
	return op
}

// The largest configuration that is permitted is stamped with the longest value
// of everything else, and must fit; one octet more must be refused.
func TestTheLargestPermittedConfigurationFitsTheLine(t *testing.T) {
	longest := 0
	for _, tt := range []struct{ domain, local, unit string }{
		{"example.com", "bot", "O"},
		{"example.com", "bot", "ö"},
		{"example.com", "bot", `"`},
		{"example.com", "bot", "&"},
		{"example.com", "bot", "\u2028"},
		{strings.Repeat("d", 50) + ".example", "b", "O"},
		{"a.test", strings.Repeat("b", 64), "O"},
		{"agents.a-company-with-a-long-name.example", "purchasing-assistant", "O"},
	} {
		address := tt.local + "@" + tt.domain
		op := fill(t, tt.domain, address, tt.unit)
		raw := strings.NewReplacer("bot@example.com", address, "To: Ann", "To: Annabella").Replace(sample)
		h := &fixture{t, t.TempDir(), nil}
		h.keys = OpenKeys(h.dir)
		if err := h.keys.Ensure(tt.domain, noon); err != nil {
			t.Fatal(err)
		}
		for _, ref := range []string{"", "a1", strings.Repeat("r", maxRef), strings.Repeat("é", maxRef/2),
			strings.Repeat("r", 200), strings.Repeat(`"`, 22), strings.Repeat("\u2028", 7)} {
			m := released(t, raw)
			m.Release.Operator, m.Release.AgentRef = op, ref
			m.Release.Verified, m.Release.Capabilities = false, capabilities[:]
			m.Decisions, m.Release.By, m.Release.Ref = nil, "allowlist", submitRef
			eml := h.stamp(m, raw)
			line := strings.Index(eml, "\r\n") + 2
			longest = max(longest, line)
			v := h.verify(eml)
			if line > 989 || v.Status != Valid || v.Claims.Operator != op {
				t.Errorf("%s, operator of %d octets, reference of %d: line of %d octets, %+v",
					address, len(op), len(ref), line, v)
			}
			if want := len(ref) != 0 && len(ref) <= maxRef; want && v.Claims.AgentRef == "" {
				t.Errorf("%s: the agent's reference was left out", address)
			}
			if (v.Claims.Recipients != "" || v.Claims.Content != "") && ref != "" {
				t.Errorf("%s: rh or th stands where it cannot have fitted", address)
			}
		}
	}
	if longest < 987 {
		t.Errorf("the longest line has %d octets: the budget wastes room", longest)
	}
	t.Logf("longest line %d octets; operator, mailbox and twice the domain share %d octets",
		longest, len(fill(t, "a.test", "b@a.test", "O"))+len("b")+2*len("a.test"))
}

func TestBudgetIsRefusedWhenItIsConfigured(t *testing.T) {
	long := strings.Repeat("o", 128)
	for _, tt := range []struct {
		name, domain, address, operator, ref string
		ok                                   bool
	}{
		{"usual names", "example.com", "bot@example.com", "Example Ltd", "", true},
		{"nothing but a domain yet", "example.com", "", "", "", true},
		{"a reference never exceeds", "example.com", "bot@example.com", "Example Ltd", strings.Repeat("r", 500), true},
		{"upper case is the same domain", "Example.COM", "Bot@example.com", "E", "", true},
		{"long operator and long domain", strings.Repeat("d", 30) + ".example", "bot@" + strings.Repeat("d", 30) + ".example",
			long, "", false},
		{"domain of 253 octets", strings.Repeat("d", 60) + strings.Repeat("."+strings.Repeat("d", 60), 3) + ".test", "", "",
			"", false},
		{"not a domain", "localhost", "", "", "", false},
		{"not an address", "example.com", "bot", "", "", false},
		{"address elsewhere", "example.com", "bot@mail.example.com", "", "", false},
		{"line break in the operator", "example.com", "", "a\nb", "", false},
		{"operator not in UTF-8", "example.com", "", "a\xff", "", false},
		{"reference not in UTF-8", "example.com", "", "a", "\xff", false},
	} {
		err := CheckBudget(tt.domain, tt.address, tt.operator, tt.ref)
		if (err == nil) != tt.ok {
			t.Errorf("%s: %v", tt.name, err)
		}
		var public *mail.Error
		if err != nil && (!errors.As(err, &public) || public.Temporary()) {
			t.Errorf("%s: not an error for the door: %v", tt.name, err)
		}
	}
}

func TestTheHashesGiveWayFirst(t *testing.T) {
	c := Claims{AgentRef: strings.Repeat("r", maxRef), Recipients: "rh", Content: "th"}
	f := c.forms(make([]byte, 32), mail.RefPlain)
	for i, want := range []Claims{
		c,
		{AgentRef: c.AgentRef, Recipients: "rh"},
		{AgentRef: c.AgentRef},
		{AgentRef: f[3].AgentRef},
	} {
		if fmt.Sprint(f[i]) != fmt.Sprint(want) {
			t.Errorf("form %d: %+v\nwant %+v", i, f[i], want)
		}
	}
	if len(f) != 4 || len(f[3].AgentRef) != 22 {
		t.Errorf("%+v", f)
	}
}
