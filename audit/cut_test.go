package audit

import (
	"strings"
	"testing"
	"unicode/utf8"
)

func TestAPrivateFieldIsKeptUpToASize(t *testing.T) {
	long := strings.Repeat("ü", maxField)
	got := cut(map[string]string{"long": long, "short": "x"})
	if got["short"] != "x" {
		t.Errorf("short: %q", got["short"])
	}
	if v := got["long"]; len(v) > maxField+64 || !utf8.ValidString(v) || !strings.HasSuffix(v, "[cut, 16384 octets]") {
		t.Errorf("long: %d octets, ends in %q", len(v), v[len(v)-40:])
	}
}
