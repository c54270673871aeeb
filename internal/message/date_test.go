package message

import (
	"testing"
)

func TestDateIsReadAsProgramsWriteIt(t *testing.T) {
	for v, want := range map[string]string{
		"Wed, 04 Mar 2026 11:00:00 +0000":       "2026-03-04T11:00:00Z",
		"4 Mar 2026 12:00 +0100":                "2026-03-04T11:00:00Z",
		"Wed, 4 Mar 2026 11:00:00 GMT":          "2026-03-04T11:00:00Z",
		"Wed, 4 Mar 2026 03:00:00 -0800 (PST)":  "2026-03-04T11:00:00Z",
		"Wed, 04 Mar 2026 12:00:00 +0100 (CET)": "2026-03-04T11:00:00Z",
		"4 Mar 2026 11:00:00 +0000":             "2026-03-04T11:00:00Z",
		"Wed, 4 Mar 2026 11:00 +0000":           "2026-03-04T11:00:00Z",
		"Wed, 4 Mar 2026 11:00:00 CEST":         "",
		"":                                      "",
		"2026-03-04T11:00:00Z":                  "",
		"today":                                 "",
	} {
		at := ParseDate(v)
		if got := at.UTC().Format("2006-01-02T15:04:05Z"); at.IsZero() != (want == "") || want != "" && got != want {
			t.Errorf("%q: %s, want %s", v, got, want)
		}
	}
}
