package api

import (
	"strings"
	"testing"
)

func TestAZoneFileGetsStringsOfAtMost255Octets(t *testing.T) {
	for n, want := range map[int][]int{
		0: nil, 1: {1}, 255: {255}, 256: {255, 1}, 410: {255, 155}, 511: {255, 255, 1}, 700: {255, 255, 190},
	} {
		r := Record{Type: "TXT", Name: "mm1._domainkey.example.com", Value: strings.Repeat("x", n)}
		text, ok := strings.CutPrefix(r.Zone(), "mm1._domainkey.example.com. TXT")
		parts := strings.Fields(text)
		if !ok || len(parts) != len(want) {
			t.Fatalf("%d: %s", n, r.Zone())
		}
		for i, p := range parts {
			if p != `"`+strings.Repeat("x", want[i])+`"` {
				t.Errorf("%d: string %d has %d octets", n, i, len(p)-2)
			}
		}
	}
}
