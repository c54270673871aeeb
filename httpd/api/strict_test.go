package api

import (
	"strings"
	"testing"
)

// An array is cut off while it is read: eight million elements in 23 MiB cost
// no more than a thousand.
func TestAnEndlessArrayIsRefusedBeforeItIsRead(t *testing.T) {
	for name, text := range map[string]func(n int) string{
		"texts":   func(n int) string { return `{"to":["",` + strings.Repeat(`"",`, n) + `""]}` },
		"objects": func(n int) string { return `{"attachments":[{},` + strings.Repeat(`{},`, n) + `{}]}` },
	} {
		allocated := func(n int) float64 {
			var d Draft
			in := []byte(text(n))
			return testing.AllocsPerRun(1, func() {
				if err := Parse(in, &d); err == nil || !strings.Contains(err.Error(), "has more than 1000 elements") {
					t.Errorf("%s: %v", name, err)
				}
			})
		}
		one, two, four := allocated(25_000), allocated(50_000), allocated(100_000)
		if limit := one + 1000; two > limit || four > limit {
			t.Errorf("%s: %.0f, %.0f and %.0f allocations for n, 2n and 4n elements", name, one, two, four)
		}
	}
	var d Draft
	if err := Parse([]byte(`{"to":["a"`+strings.Repeat(`,"a"`, 999)+`]}`), &d); err != nil || len(d.To) != 1000 {
		t.Errorf("%d elements, %v", len(d.To), err)
	}
}
