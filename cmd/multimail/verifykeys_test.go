package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/multimail/multimail/sign"
	"github.com/multimail/multimail/sign/fetch"
)

// world is what domains publish, and what was asked of them.
type world struct {
	documents map[string]string
	records   map[string][]string
	asked     []string
}

func (w *world) lookup() *sign.Lookup {
	return &sign.Lookup{
		Document: func(iss, _ string) ([]byte, error) {
			w.asked = append(w.asked, iss)
			if doc, ok := w.documents[iss]; ok {
				return []byte(doc), nil
			}
			return nil, fetch.ErrUnreachable
		},
		TXT: func(name string) ([]string, error) {
			w.asked = append(w.asked, name)
			return w.records[name], nil
		},
	}
}

// verify runs multimail verify in this world.
func (w *world) verify(t *testing.T, args ...string) answer {
	t.Helper()
	var out, stderr bytes.Buffer
	e := &environment{ctx: t.Context(), in: strings.NewReader(""), out: &out, stderr: &stderr,
		asks: func(any) bool { return false }, getenv: os.Getenv, lookup: w.lookup()}
	w.asked = nil
	code := e.run(append([]string{"verify"}, args...))
	return answer{out.String(), stderr.String(), code}
}

// worldOf publishes what signedMail has written.
func worldOf(t *testing.T) (w *world, eml, document, records string) {
	t.Helper()
	eml, document, records = signedMail(t)
	doc, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	zone, err := os.ReadFile(records)
	if err != nil {
		t.Fatal(err)
	}
	w = &world{documents: map[string]string{"https://example.com": string(doc)}, records: readZone(string(zone))}
	_, txt, err := sign.OpenKeys(filepath.Dir(eml)).DNS("example.com")
	if err != nil {
		t.Fatal(err)
	}
	w.records[sign.RecordName("example.com")] = []string{txt}
	return w, eml, document, records
}

func TestWhereVerifyTakesTheKeyFrom(t *testing.T) {
	w, eml, document, records := worldOf(t)
	const iss, dkimName = "https://example.com", "._domainkey.example.com"
	for _, tt := range []struct {
		name         string
		args         []string
		code         int
		status, from string
		notChecked   []string
		asked        string // each in order, a name below _domainkey by its end
	}{
		{"of the domain", nil, exitDone, sign.Valid, "https", nil, iss + " " + dkimName},
		{"--dns", []string{"--dns"}, exitDone, sign.Valid, "dns", nil, "_multimail-identity.example.com " + dkimName},
		{"--key", []string{"--key", document}, exitDone, sign.Valid, "file", nil, dkimName},
		{"--key and --records", []string{"--key", document, "--records", records}, exitDone, sign.Valid, "file", nil, ""},
		{"--offline", []string{"--offline"}, exitFailed, sign.Invalid, "", []string{"signature", "sender", "message_id",
			"body", "content", "recipients", "dkim", "date"}, ""},
		{"--offline --key", []string{"--offline", "--key", document}, exitDone, sign.Valid, "file", []string{"dkim"}, ""},
	} {
		a := w.verify(t, append([]string{"--json", eml}, tt.args...)...).want(t, tt.code)
		var r sign.Report
		if err := json.Unmarshal([]byte(a.out), &r); err != nil {
			t.Fatal(err)
		}
		if r.Status != tt.status || r.Valid != (tt.code == exitDone) || r.KeySource != tt.from ||
			!slices.Equal(r.NotChecked, append([]string{}, tt.notChecked...)) {
			t.Errorf("%s: %s", tt.name, a.out)
		}
		var asked []string
		for _, q := range w.asked {
			if i := strings.Index(q, dkimName); i > 0 {
				q = q[i:]
			}
			if !slices.Contains(asked, q) {
				asked = append(asked, q)
			}
		}
		if strings.Join(asked, " ") != tt.asked {
			t.Errorf("%s: asked %q, want %q", tt.name, asked, tt.asked)
		}
	}
	for _, args := range [][]string{{"--dns", "--offline"}, {"--dns", "--key", document}} {
		w.verify(t, append([]string{eml}, args...)...).want(t, exitUsage)
	}
}

func TestKeysThatVerifyRefuses(t *testing.T) {
	w, eml, _, _ := worldOf(t)
	good := w.records[sign.RecordName("example.com")][0]
	otherWorld, _, otherDocument, _ := worldOf(t)
	other := otherWorld.documents["https://example.com"]
	for _, tt := range []struct {
		name     string
		document string
		records  []string
		args     []string
		says     string
	}{
		{"another domain's document", other, nil, nil, "has no key"},
		{"a document that is too large", strings.Repeat(" ", 256<<10) + "{}", nil, nil, "too large"},
		{"nobody answers", "", nil, nil, "does not answer over HTTPS"},
		{"a second v= record", "", []string{good, "v=spf1 -all"}, []string{"--dns"}, "not of the form v=MMID1"},
		{"no record", "", nil, []string{"--dns"}, "the DNS has no key"},
		{"a file of another domain", "", nil, []string{"--key", otherDocument}, "has no key"},
	} {
		w.records[sign.RecordName("example.com")] = tt.records
		delete(w.documents, "https://example.com")
		if tt.document != "" {
			w.documents["https://example.com"] = tt.document
		}
		a := w.verify(t, append([]string{eml}, tt.args...)...).want(t, exitFailed, "the identity header is invalid")
		if !strings.HasPrefix(a.out, "invalid\n") || !strings.Contains(a.out, "key            FAILED") ||
			!strings.Contains(a.out, tt.says) || strings.Contains(a.out, "the domain states") {
			t.Errorf("%s: %s", tt.name, a.out)
		}
	}
	empty := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	w.verify(t, eml, "--key", empty).want(t, exitFailed, "the key file is empty")
	w.verify(t, eml, "--key", "/nowhere/key").want(t, exitFailed, "/nowhere/key")
}

func TestNoWordOfTheReportCallsAnUnboundMailValid(t *testing.T) {
	w, eml, _, _ := worldOf(t)
	b, err := os.ReadFile(eml)
	if err != nil {
		t.Fatal(err)
	}
	pasted := filepath.Join(t.TempDir(), "pasted.eml")
	line, _, _ := strings.Cut(string(b), "\r\n")
	for !strings.HasPrefix(line, sign.HeaderName) {
		_, rest, _ := strings.Cut(string(b), "\r\n")
		b = []byte(rest)
		line, _, _ = strings.Cut(rest, "\r\n")
	}
	mail := line + "\r\nFrom: bot@example.com\r\nTo: carl@z.test\r\nMessage-ID: <2@example.com>\r\n\r\nPay him.\r\n"
	if err := os.WriteFile(pasted, []byte(mail), 0o600); err != nil {
		t.Fatal(err)
	}
	a := w.verify(t, pasted).want(t, exitFailed, "not what its identity header was made for")
	if !strings.HasPrefix(a.out, "unbound\n") || strings.Contains(a.out+a.stderr, "valid") {
		t.Errorf("%s%s", a.out, a.stderr)
	}
	if err := errors.Join(failures[sign.Unbound], failures[sign.None]); strings.Contains(err.Error(), "valid") {
		t.Error(err)
	}
}

// The published vectors through the command: the word, the exit status and the
// checks that failed, with nobody asked.
func TestTheCommandPassesThePublishedVectors(t *testing.T) {
	b, err := os.ReadFile("../../docs/vectors/header.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Documents map[string]string
		Vectors   []struct {
			Group, Name, Status, Mail, Document string
			Failed                              []string
			ReceivedAt                          int64 `json:"received_at"`
		}
	}
	if err := json.Unmarshal(b, &file); err != nil {
		t.Fatal(err)
	}
	dir, w, statuses := t.TempDir(), &world{}, map[string]int{}
	for _, v := range file.Vectors {
		if v.ReceivedAt != 0 || !strings.HasPrefix(file.Documents[v.Document], "{") {
			continue // the command keeps no record of its own; a key file is JSON or PEM
		}
		var octets []byte
		for _, r := range v.Mail {
			octets = append(octets, byte(r))
		}
		for name, content := range map[string][]byte{"mail": octets, "key": []byte(file.Documents[v.Document])} {
			if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		a := w.verify(t, "--json", "--offline", "--key", filepath.Join(dir, "key"), filepath.Join(dir, "mail"))
		var r sign.Report
		if err := json.Unmarshal([]byte(a.out), &r); err != nil {
			t.Fatalf("%s: %v in %s", v.Name, err, a.out)
		}
		var failed []string
		for _, c := range r.Checks {
			if !c.OK {
				failed = append(failed, c.Name)
			}
		}
		passes := v.Status == sign.Valid || v.Status == sign.ValidText
		if r.Status != v.Status || !slices.Equal(failed, v.Failed) || r.Valid != passes || (a.code == exitDone) != passes {
			t.Errorf("%s: %s: exit %d, %s, failed %q", v.Group, v.Name, a.code, r.Status, failed)
		}
		if len(w.asked) > 0 {
			t.Errorf("%s: asked %q", v.Name, w.asked)
		}
		statuses[v.Status]++
	}
	if statuses[sign.Valid] < 20 || statuses[sign.ValidText] < 4 || statuses[sign.Unbound] < 15 ||
		statuses[sign.Invalid] < 100 || statuses[sign.None] < 2 {
		t.Errorf("%v", statuses)
	}
}

// A FIFO has nobody who writes, and a device no end.
func TestVerifyReadsRegularFilesOnly(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{fifo, os.DevNull, t.TempDir()} {
		for _, v := range []verifyCmd{
			{File: path}, {File: "-", Key: path, Offline: true}, {File: "-", Records: path, Offline: true},
		} {
			_, err := v.read(strings.NewReader(""))
			if v.File == "-" {
				_, _, err = v.keys(&environment{})
			}
			if err == nil || !strings.Contains(err.Error(), "not a regular file") {
				t.Errorf("%+v: %v", v, err)
			}
		}
	}
}
