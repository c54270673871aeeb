package message

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/mailtest"
)

// corpusDir holds messages of the world and hostile ones; its README says where
// they are from.
const corpusDir = "testdata/corpus"

// leastCorpus is how many messages there are at least.
const leastCorpus = 250

// expected is what is read in one message of the corpus. test/e2e compares it with
// what another program reads.
type expected struct {
	From        string         `json:"from,omitempty"`
	FromName    string         `json:"from_name,omitempty"`
	Subject     string         `json:"subject,omitempty"`
	Declared    string         `json:"charset_declared,omitempty"`
	Used        string         `json:"charset_used,omitempty"`
	Text        string         `json:"text,omitempty"`
	Hidden      bool           `json:"hidden_text,omitempty"`
	Pixels      int            `json:"tracking_pixels,omitempty"`
	Remote      int            `json:"remote_content,omitempty"`
	Attachments []expectedFile `json:"attachments,omitempty"`
	Warnings    []string       `json:"warnings,omitempty"`
}

type expectedFile struct {
	Name   string `json:"name"`
	Type   string `json:"type"`
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Inline bool   `json:"inline,omitempty"`
}

func corpus(t testing.TB) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(corpusDir, "*.eml"))
	if err != nil || len(paths) < leastCorpus {
		t.Fatalf("%d messages, %v", len(paths), err)
	}
	out := map[string][]byte{}
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		out[strings.TrimSuffix(filepath.Base(path), ".eml")] = b
	}
	return out
}

func whatIsReadIn(raw []byte) expected {
	in, r := ReadIncoming(raw), NewReading(raw, ReadingLimits{})
	e := expected{FromName: in.Header.FromName, Subject: in.Header.Subject, Declared: r.Charset.Declared,
		Used: r.Charset.Used, Text: r.Text, Hidden: r.HiddenText, Pixels: r.TrackingPixels, Remote: r.RemoteContent}
	if !in.Header.From.IsZero() {
		e.From = in.Header.From.String()
	}
	for _, a := range r.Attachments {
		e.Attachments = append(e.Attachments, expectedFile{a.Name, a.ContentType, a.Size, a.SHA256, a.Inline})
	}
	var warn remarks
	for _, w := range append(in.Warnings, r.Warnings...) {
		warn.add(w)
	}
	e.Warnings = warn.list
	return e
}

func TestTheCorpusIsReadAsExpected(t *testing.T) {
	got := map[string]expected{}
	for name, raw := range corpus(t) {
		got[name] = whatIsReadIn(raw)
		t.Run(name, func(t *testing.T) {
			checkReading(t, raw)
			checkNeutral(t, NewReview(raw))
		})
	}
	path := filepath.Join(corpusDir, "expected.json")
	if *update {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", " ")
		if err := e.Encode(got); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]expected{}
	if err := json.Unmarshal(b, &want); err != nil {
		t.Fatal(err)
	}
	for name := range want {
		if _, ok := got[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	for name, g := range got {
		if w, ok := want[name]; !ok || !reflect.DeepEqual(g, w) {
			t.Errorf("%s:\ngot  %+v\nwant %+v", name, g, w)
		}
	}
}

// What a mail of the corpus costs is bounded by its size: each is read alone, twice
// and four times, one after the other in one multipart.
func TestTheCorpusIsReadAtACostThatGrowsWithItsSize(t *testing.T) {
	messages := corpus(t)
	var jobs [3]func()
	for i := range jobs {
		var batch [][]byte
		for _, raw := range messages {
			batch = append(batch, several(raw, 1<<i))
		}
		jobs[i] = func() {
			for _, raw := range batch {
				ReadIncoming(raw)
				NewReading(raw, ReadingLimits{})
			}
		}
	}
	if _, why := mailtest.Grow(jobs); why != "" {
		t.Error(why)
	}
}

// several is a mail that has n messages attached.
func several(raw []byte, n int) []byte {
	var b bytes.Buffer
	b.WriteString("Content-Type: multipart/mixed; boundary=several\r\n\r\n")
	for range n {
		b.WriteString("--several\r\nContent-Type: text/html\r\n\r\n")
		b.Write(raw)
		b.WriteString("\r\n--several\r\nContent-Type: message/rfc822\r\n\r\n")
		b.Write(raw)
		b.WriteString("\r\n")
	}
	b.WriteString("--several--\r\n")
	return b.Bytes()
}
