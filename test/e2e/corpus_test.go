//go:build e2e

package e2e

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const corpus = "../../internal/message/testdata/corpus"

// agreed is how many messages of the corpus both readers read alike, at least.
const agreed = 250

// corpusFile is an attachment as either reader has it.
type corpusFile struct {
	Type, SHA256 string
	Size         int64
}

// corpusMail is what either reader finds in one message.
type corpusMail struct {
	File        string
	Text        string   // ours
	Texts       []string // of the other one: plain texts alone
	Attachments []corpusFile
}

// readersDisagree lists the messages in which Python's email finds an attachment or
// a text that we do not, each with the reason.
func readersDisagree(t *testing.T) map[string]string {
	t.Helper()
	b, err := os.ReadFile("testdata/corpus-differences.tsv")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for line := range strings.Lines(string(b)) {
		name, why, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if !ok || len(why) < 10 {
			t.Fatalf("a difference without a reason: %q", line)
		}
		out[name] = why
	}
	return out
}

// The expected values of the corpus are not our own alone: Python's email, which
// nobody of this project wrote, finds the same attachments, octet for octet, and the
// same words.
func TestAnotherReaderAgreesOnTheCorpus(t *testing.T) {
	ours := map[string]corpusMail{}
	b, err := os.ReadFile(filepath.Join(corpus, "expected.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &ours); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("python3", "testdata/corpus.py", corpus).Output()
	if err != nil {
		t.Fatal(err)
	}
	known, same := readersDisagree(t), 0
	for line := range strings.Lines(string(out)) {
		var theirs corpusMail
		if err := json.Unmarshal([]byte(line), &theirs); err != nil {
			t.Fatal(err)
		}
		why := missingIn(ours[theirs.File], theirs)
		_, listed := known[theirs.File]
		switch {
		case why == "" && listed:
			t.Errorf("%s is listed as a difference and is none", theirs.File)
		case why == "":
			same++
		case !listed:
			t.Errorf("%s: %s", theirs.File, why)
		}
	}
	if same < agreed {
		t.Errorf("the readers agree on %d messages only", same)
	}
}

// missingIn says which attachment or word of theirs is not among ours.
func missingIn(ours, theirs corpusMail) string {
	left := append([]corpusFile(nil), ours.Attachments...)
	for _, a := range theirs.Attachments {
		found := false
		for i, b := range left {
			if a.SHA256 == b.SHA256 || a.Size < 0 && strings.HasPrefix(b.Type, "message/") {
				left, found = append(left[:i:i], left[i+1:]...), true
				break
			}
		}
		if !found {
			return "attachment " + a.Type + " " + a.SHA256
		}
	}
	for _, text := range theirs.Texts {
		for _, word := range strings.Fields(text) {
			if !strings.Contains(ours.Text, word) {
				return "word " + word
			}
		}
	}
	return ""
}
