package message

import (
	"bytes"
	"strings"
)

// RecipientNames returns the display names in To and Cc as far as they can be read, decoded
// and neutralised; of MaxAddresses addresses at most.
func RecipientNames(raw []byte) (names []string) {
	header, _ := SplitHeader(readable(raw, &remarks{}))
	header = header[:min(len(header), MaxHeader)]
	seen := 0
	for len(header) > 0 {
		one := firstField(header)
		header = bytes.TrimPrefix(header, one)
		f, ok := asField(one)
		if name := strings.ToLower(f.name); !ok || name != "to" && name != "cc" {
			continue
		}
		v := f.value()
		for _, item := range splitAddresses(v[:min(len(v), MaxField)]) {
			if seen++; seen > MaxAddresses {
				return names
			}
			if a, ok := looseMailbox(item); ok && a.name != "" {
				names = append(names, a.name)
			}
		}
	}
	return names
}
