package origin

import (
	"encoding/json"
	"os"
	"testing"
)

// The validation tests of github.com/ValiMail/arc_test_suite (licence beside them), turned
// from YAML into JSON and not changed otherwise.
func TestThePublicSuiteOfARC(t *testing.T) {
	b, err := os.ReadFile("testdata/arc/validation.json")
	if err != nil {
		t.Fatal(err)
	}
	var scenarios []struct {
		TXT   map[string]string
		Tests []struct{ Name, CV, Message string }
	}
	if err := json.Unmarshal(b, &scenarios); err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, s := range scenarios {
		z := newZone(map[string][]string{})
		for name, txt := range s.TXT {
			z.records["TXT "+name] = []string{txt}
		}
		for _, tt := range s.Tests {
			n++
			want := tt.CV
			switch {
			case want == "":
				want = fail // what a chain is that says so itself; a sealer does not go on
			case tt.Name == "ams_fields_c_na":
				want = fail // no c= is simple/simple (RFC 8617, 4.1.2); it was relaxed in drafts
			}
			f, err := check(t, z, Mail{Raw: crlf(tt.Message)})
			if got := f.Auth.ARC; err != nil || got.Result != want {
				t.Errorf("%s: %+v, %v, want %s", tt.Name, got, err, want)
			}
		}
	}
	if n < 170 {
		t.Errorf("%d tests only", n)
	}
}
