package store

import (
	"strings"
	"testing"
)

func TestPrefixHoldsExactlyTheKeysThatBeginWithIt(t *testing.T) {
	octets := []string{"", "\x00", "a", "b", "\xfe", "\xff"}
	var keys []string
	for _, x := range octets {
		for _, y := range octets {
			for _, z := range octets {
				keys = append(keys, x+y+z)
			}
		}
	}
	for _, p := range keys {
		r := Prefix(p)
		if r.Reverse {
			t.Errorf("Prefix(%q) walks backwards", p)
		}
		for _, k := range keys {
			in := k >= r.From && (r.To == "" || k < r.To)
			if want := strings.HasPrefix(k, p); in != want {
				t.Errorf("%q in Prefix(%q) = [%q, %q): %t, want %t", k, p, r.From, r.To, in, want)
			}
		}
	}
}

func TestInlineCarriesTheBody(t *testing.T) {
	s := Inline("k", []byte("abc"))
	if body, handle := s.Kept(); s.Key != "k" || string(body) != "abc" || s.Size != 3 || handle != "" {
		t.Errorf("Inline = %+v", s)
	}
}
