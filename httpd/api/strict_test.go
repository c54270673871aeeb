package api

import (
	"strings"
	"testing"
)

// An array is cut off while it is read: eight million elements in 23 MiB cost
// no more than a thousand.
func TestAnEndlessArrayIsRefusedBeforeItIsRead(t *testing.T) {
	for name, text := range map[string]string{
		"texts":   `{"to":["",` + strings.Repeat(`"",`, 100000) + `""]}`,
		"objects": `{"attachments":[{},` + strings.Repeat(`{},`, 100000) + `{}]}`,
	} {
		var d Draft
		allocs := testing.AllocsPerRun(1, func() {
			if err := Parse([]byte(text), &d); err == nil || !strings.Contains(err.Error(), "has more than 1000 elements") {
				t.Errorf("%s: %v", name, err)
			}
		})
		if allocs > 50000 {
			t.Errorf("%s: %.0f allocations", name, allocs)
		}
	}
	var d Draft
	if err := Parse([]byte(`{"to":["a"`+strings.Repeat(`,"a"`, 999)+`]}`), &d); err != nil || len(d.To) != 1000 {
		t.Errorf("%d elements, %v", len(d.To), err)
	}
}
