//go:build e2e

package e2e

import (
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/origin"
)

// spellings are fields that are, or look like, results of mx.receiver.test: each name
// with each way to write an id, and what may stand around it.
func spellings() (out []string) {
	const host = "mx.receiver.test"
	for _, name := range []string{
		"Authentication-Results", "authentication-results", "AUTHENTICATION-RESULTS ", "Authentication-Results\t",
		"Authentication-Results\u00a0", "\ufeffAuthentication-Results", "Authentication-Results\x0c",
	} {
		for _, before := range []string{"", " ", "\t", "\r\n ", "(c)", " (c) ",
			"(a(b)c)\t", "(\\))", "\u00a0", "\x0b", "()"} {
			for _, id := range []string{
				host, "MX.RECEIVER.TEST", `"` + host + `"`, `"m\x.receiver.test"`, `m\x.receiver.test`, "mx.(c)receiver.test",
				"mx. receiver.test", "mx .receiver.test", `mx."receiver".test`, `"mx".receiver.test`, host + ".", "." + host,
				"=?utf-8?q?mx.receiver.test?=", "=?us-ascii?b?bXgucmVjZWl2ZXIudGVzdA==?=", "mx\u200b.receiver.test",
				"ｍｘ.receiver.test", "mx\u3002receiver.test", host + "\u00a0", "mx.receiver.test\x0b", "mx.receiver\r\n .test",
				"<" + host + ">", host + "/1", "'" + host + "'", "mx%2ereceiver.test", "x=" + host, host + "=x", ";" + host,
			} {
				for _, behind := range []string{"; spf=pass", ";spf=pass", " 1; spf=pass", " (c); spf=pass", "\r\n\t; spf=pass", "",
					" spf=pass",
					"(c) 1(d);spf=pass", " 2; spf=pass", ", x; spf=pass", "\t; spf=pass"} {
					out = append(out, name+":"+before+id+behind)
				}
			}
		}
	}
	return out
}

// Whatever is left in a mail is a result of ours to no other program: not to authres behind
// either parser of Python, and not to mailauth.
func TestNoProgramReadsAForgeryThatIsLeft(t *testing.T) {
	all := spellings()
	c, err := origin.New(origin.Options{DNS: dnsZone{}, Host: "mx.receiver.test"})
	if err != nil {
		t.Fatal(err)
	}
	header := strings.Join(all, "\r\n") + "\r\n"
	f, _ := c.Check(t.Context(), origin.Mail{Raw: []byte(header + "Subject: x\r\n\r\nbody\r\n")})
	kept := map[string]bool{}
	for field := range strings.SplitSeq(strings.ReplaceAll(string(f.Raw), "\r\n ", "\n "), "\r\n") {
		kept[strings.ReplaceAll(field, "\n ", "\r\n ")] = true
	}
	var left []string
	for _, s := range all {
		if kept[s] {
			left = append(left, s)
		}
	}
	ours := func(id string) bool {
		return strings.EqualFold(strings.Trim(id, ". "), "mx.receiver.test")
	}
	// That the peers read forgeries at all is shown by those which we removed.
	for name, read := range map[string]func([]string) []string{"authres": idsOfAuthres(t), "mailauth": idsOfMailauth(t)} {
		n := 0
		for _, id := range read(all) {
			if ours(id) {
				n++
			}
		}
		t.Logf("%s reads %d of %d spellings as ours; %d are left", name, n, len(all), len(left))
		if n < 500 {
			t.Errorf("%s reads %d of %d spellings only", name, n, len(all))
		}
		for i, id := range read(left) {
			if ours(id) {
				t.Errorf("%s reads %q as ours", name, left[i%len(left)])
			}
		}
	}
	if len(left) == 0 || len(left) > len(all)/10 {
		t.Errorf("%d of %d are left", len(left), len(all))
	}
}

// idsOfAuthres reads each field twice: behind the old and the new parser of Python.
func idsOfAuthres(t *testing.T) func([]string) []string {
	return func(fields []string) (ids []string) {
		var read [][2]string
		decode(t, must(t, command(t, encode(t, fields), nil, "/usr/bin/python3", "-B", "testdata/ids.py")), &read)
		for _, r := range read {
			ids = append(ids, r[0])
		}
		for _, r := range read {
			ids = append(ids, r[1])
		}
		return ids
	}
}

func idsOfMailauth(t *testing.T) func([]string) []string {
	return func(fields []string) (ids []string) {
		decode(t, must(t, node(t, "ids.mjs", "FILE="+write(t, "fields.json", encode(t, fields)))), &ids)
		return ids
	}
}
