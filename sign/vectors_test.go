package sign

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
)

// headerVector is one entry of docs/vectors/header.json, which was made by
// another program.
type headerVector struct {
	Group, Name, Status string
	Mail                string // one character for each octet
	Document            string
	Failed              []string
	ReceivedAt          int64 `json:"received_at"`
}

// readVectors reads a file of docs/vectors.
func readVectors(t *testing.T, name string, into any) {
	t.Helper()
	b, err := os.ReadFile("../docs/vectors/" + name)
	if err == nil {
		err = json.Unmarshal(b, into)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// octets returns the mail of a vector.
func octets(s string) []byte {
	var out []byte
	for _, r := range s {
		out = append(out, byte(r))
	}
	return out
}

func TestThePublishedHeaderVectors(t *testing.T) {
	var file struct {
		Documents map[string]string
		Vectors   []headerVector
	}
	readVectors(t, "header.json", &file)
	statuses, used := map[string]int{}, map[string]bool{}
	for _, h := range file.Vectors {
		l := Lookup{Document: func(string, string) ([]byte, error) { return []byte(file.Documents[h.Document]), nil }}
		if h.ReceivedAt != 0 {
			l.ReceivedAt = time.Unix(h.ReceivedAt, 0)
		}
		v := Verify(octets(h.Mail), l)
		if v.Status != h.Status || failed(v) != strings.Join(h.Failed, " ") {
			t.Errorf("%s: %s: %s, failed %q; want %s, %q", h.Group, h.Name, v.Status, failed(v), h.Status, h.Failed)
		}
		statuses[h.Status]++
		used[h.Document] = true
		if h.Name == "no mid, as on a route that sets the Message-ID: not bound to an id" {
			i := slices.IndexFunc(v.Checks, func(c Check) bool { return c.Name == "message_id" })
			if i < 0 || !strings.HasPrefix(v.Checks[i].Detail, "not bound to an id") ||
				!slices.Contains(v.Unbound, "Message-ID") {
				t.Errorf("%s: %+v", h.Name, v)
			}
		}
	}
	if len(used) != len(file.Documents) || statuses[Invalid] < 100 || statuses[Valid] < 20 ||
		statuses[ValidText] < 4 || statuses[Unbound] < 15 || statuses[None] != 2 {
		t.Errorf("%v, %d of %d documents", statuses, len(used), len(file.Documents))
	}
}

func TestThePublishedHashVectors(t *testing.T) {
	var file struct {
		RH []struct {
			Name, Header string
			RH           *string
		}
		BH  []struct{ Name, Body, BH string }
		MID []struct {
			Name, Value string
			MID         *string
		}
	}
	readVectors(t, "hashes.json", &file)
	some := func(p *string) string {
		if p == nil {
			return ""
		}
		return *p
	}
	for _, v := range file.RH {
		if got := hashRecipients([]byte(v.Header + "\r\n")); got != some(v.RH) {
			t.Errorf("rh: %s: %q, want %q", v.Name, got, some(v.RH))
		}
	}
	for _, v := range file.BH {
		if got := message.BodyHash(append([]byte("A: b\r\n\r\n"), octets(v.Body)...)); got != v.BH {
			t.Errorf("bh: %s: %q, want %q", v.Name, got, v.BH)
		}
	}
	for _, v := range file.MID {
		id, err := message.ParseMessageID(v.Value)
		if got := shortHash(id); (err != nil) != (v.MID == nil) || err == nil && got != *v.MID {
			t.Errorf("mid: %s: %q, %v, want %q", v.Name, got, err, some(v.MID))
		}
	}
	if len(file.RH) < 35 || len(file.BH) < 10 || len(file.MID) < 10 {
		t.Errorf("%d, %d and %d vectors", len(file.RH), len(file.BH), len(file.MID))
	}
}
