package origin

import (
	"bytes"
	"strings"
	"testing"

	"github.com/emersion/go-msgauth/dkim"

	"github.com/multimail/multimail/internal/mailtest"
)

// Each makes a mail of n, 2n and 4n of something, up to the bounds. The signature is
// good, so that nothing ends early.
func TestCostGrowsWithTheSizeOfAMailAlone(t *testing.T) {
	body := func(text string, n int) []byte { return crlf(plain + strings.Repeat(text, n)) }
	head := func(text string, n int) []byte { return append(crlf(strings.Repeat(text, n)), crlf(plain)...) }
	for name, make := range map[string]func(n int) []byte{
		"lines":       func(n int) []byte { return body("a line of words and blanks \n", n<<14) },
		"blanks":      func(n int) []byte { return body(strings.Repeat(" \t", 400)+"x\n", n<<9) },
		"empty lines": func(n int) []byte { return body(strings.Repeat("\n", maxEmptyLines-1)+"x\n", n) },
		"one gap":     func(n int) []byte { return body("\n", n*maxEmptyLines/4-9) },
		"fields":      func(n int) []byte { return head("X-A: b\n", 240*n) },
		"forgeries":   func(n int) []byte { return head("Authentication-Results: \"mx.receiver.test\"; spf=pass\n", 240*n) },
		"a fold":      func(n int) []byte { return head("X: a"+strings.Repeat("\n b", 245*n)+"\n", 1) },
		"sets":        func(n int) []byte { return sets(2 * n) },
		"no sets":     func(n int) []byte { return head("ARC-Seal: i=1; cv=none\n", 240*n) },
	} {
		for _, canon := range []dkim.Canonicalization{dkim.CanonicalizationSimple, dkim.CanonicalizationRelaxed} {
			var jobs [3]func()
			for i := range jobs {
				m, z := from(""), newZone(map[string][]string{keyOf("example.org"): {testRecord}, keyOf("list.test"): {testRecord}})
				var out bytes.Buffer
				if err := dkim.Sign(&out, bytes.NewReader(make(1<<i)), &dkim.SignOptions{
					Domain: "example.org", Selector: "s", Signer: testKey, HeaderKeys: []string{"From", "X", "X-A"},
					HeaderCanonicalization: canon, BodyCanonicalization: canon,
				}); err != nil {
					t.Fatal(err)
				}
				m.Raw = out.Bytes()
				jobs[i] = func() {
					if f, _ := check(t, z, m); len(f.Auth.DKIM) != 1 || f.Auth.DKIM[0].Result != pass {
						t.Fatalf("%s: %+v", name, f.Auth)
					}
				}
			}
			if costs, why := mailtest.Grow(jobs); why != "" {
				t.Errorf("%s, %s: %s: %v", name, canon, why, costs)
			}
		}
	}
}
