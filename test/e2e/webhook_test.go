//go:build e2e

package e2e

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// receiver is a server made of Standard Webhooks' own library for JavaScript.
type receiver struct {
	t       *testing.T
	url     string
	out     *lockedBuffer
	secrets io.Writer
}

// hooked is what a receiver says of one request.
type hooked struct {
	ID, Path string
	By       []int // numbers of the secrets that it verifies with
	Forged   int   // requests made of it that the library takes as well
	Event    json.RawMessage
	Raw      json.RawMessage // its body and its headers
}

// startReceiver runs one until the test ends.
func startReceiver(t *testing.T) *receiver {
	t.Helper()
	c := exec.Command(filepath.Join(peers, "node_modules", ".bin", "node"), filepath.Join(peers, "webhooks.mjs"))
	r := &receiver{t: t, out: &lockedBuffer{}}
	c.Stdout, c.Stderr = r.out, &bytes.Buffer{}
	var err error
	if r.secrets, err = c.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { _ = c.Wait(); close(done) }()
	t.Cleanup(func() { _ = c.Process.Signal(syscall.SIGTERM); <-done })
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if at, _, ok := strings.Cut(r.out.String(), "\n"); ok {
			r.url = at
			return r
		}
	}
	t.Fatalf("the receiver did not start: %s", c.Stderr)
	return nil
}

// got returns the requests so far, to one path.
func (r *receiver) got(path string) (list []hooked) {
	r.t.Helper()
	said := r.out.String()
	_, said, _ = strings.Cut(said[:strings.LastIndexByte(said, '\n')+1], "\n")
	for line := range strings.Lines(said) {
		var one hooked
		decode(r.t, line, &one)
		if one.Path == path {
			list = append(list, one)
		}
	}
	return list
}

// recipes fail unless both of the page take a request and refuse it with another secret.
func (r *receiver) recipes(one hooked, secret string) {
	r.t.Helper()
	dir := r.t.TempDir()
	modules, err := filepath.Abs(filepath.Join(peers, "node_modules"))
	if err == nil {
		err = os.Symlink(modules, filepath.Join(dir, "node_modules"))
	}
	for name, text := range map[string]string{
		"run.mjs": recipe(r.t, "webhooks.md", "js") + `import { readFileSync } from "node:fs";
const { body, headers } = JSON.parse(readFileSync(0));
console.log(verify(body, headers).event);`,
		"run.py": recipe(r.t, "webhooks.md", "python") + `import sys
raw = json.load(sys.stdin)
print(verify(raw["body"].encode(), raw["headers"])["event"])`,
	} {
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600)
		}
	}
	if err != nil {
		r.t.Fatal(err)
	}
	for _, run := range [][]string{{filepath.Join(modules, ".bin", "node"), "run.mjs"}, {"python3", "run.py"}} {
		script := filepath.Join(dir, run[1])
		got := command(r.t, string(one.Raw), []string{"WEBHOOK_SECRET=" + secret}, run[0], script)
		if got.code != 0 || got.out != "oversight.pending\n" {
			r.t.Errorf("%s says %+v of %s", run[1], got, one.Raw)
		}
		other := "whsec_" + base64.StdEncoding.EncodeToString([]byte(secret)[:32])
		if got := command(r.t, string(one.Raw), []string{"WEBHOOK_SECRET=" + other}, run[0], script); got.code == 0 {
			r.t.Errorf("%s takes a request with another secret", run[1])
		}
	}
}

// webhook adds one, whose secret the receiver is told, and returns its id.
func (h *daemon) webhook(r *receiver, path string, args ...string) (id, secret string) {
	h.t.Helper()
	return h.secret(r, append([]string{"webhook", "add", r.url + path}, args...)...)
}

// secret runs a command that prints a webhook with its secret.
func (h *daemon) secret(r *receiver, args ...string) (id, secret string) {
	h.t.Helper()
	var w struct {
		ID     string
		Secret string `json:"signing_secret"`
	}
	decode(h.t, h.must(append(args, "--json")...), &w)
	if _, err := fmt.Fprintln(r.secrets, w.Secret); err != nil {
		h.t.Fatal(err)
	}
	return w.ID, w.Secret
}

// eventNames returns the events of requests that the library took, in order of their names.
func eventNames(t *testing.T, list []hooked) (names []string) {
	t.Helper()
	for _, one := range list {
		var e struct {
			Event, Timestamp string
			Data             struct {
				Email string `json:"email_id"`
			}
		}
		decode(t, string(one.Event), &e)
		if _, err := time.Parse(time.RFC3339, e.Timestamp); err != nil || e.Data.Email == "" {
			t.Errorf("an event without its time or its mail: %s", one.Event)
		}
		names = append(names, e.Event)
	}
	slices.Sort(names)
	return names
}

// The library takes every request, with the secret of its webhook alone, and no request that
// anybody else could make of it; while a secret rotates it takes both.
func TestStandardWebhooksTakesWhatADaemonSends(t *testing.T) {
	h, r := start(t), startReceiver(t)
	raw, secret := h.webhook(r, "/raw", "--event",
		"message.received,message.sent,message.delivered,oversight.pending,oversight.approved,oversight.rejected")
	h.webhook(r, "/slack", "--event", "oversight.pending", "--format", "slack")
	h.webhook(r, "/teams", "--event", "oversight.pending", "--format", "teams")
	_, sent := h.http("POST", "/v1/send", `{"to":["ada@dest.test"],"subject":"Boats","markdown":"Hello"}`)
	h.approveAndCapture(h.only("Boats"), 1)
	h.comesIn("From: Bob <bob@far.test>\r\nSubject: Boats\r\nMessage-ID: <b@far.test>\r\n\r\nHello\r\n")
	h.until("seven requests", func() bool {
		return len(r.got("/raw")) == 5 && len(r.got("/slack")) == 1 && len(r.got("/teams")) == 1
	})
	for i, path := range []string{"/raw", "/slack", "/teams"} {
		for _, one := range r.got(path) {
			if !slices.Equal(one.By, []int{i}) || one.Forged != 0 || !strings.HasPrefix(one.ID, "msg_") {
				t.Errorf("%s: %+v for %s", path, one, sent)
			}
		}
	}
	want := []string{"message.delivered", "message.received", "message.sent", "oversight.approved", "oversight.pending"}
	if got := eventNames(t, r.got("/raw")); !slices.Equal(got, want) {
		t.Errorf("the events are %q", got)
	}
	for path, part := range map[string]string{"/slack": `"type":"plain_text"`, "/teams": `"type":"TextRun"`} {
		if event := string(r.got(path)[0].Event); !strings.Contains(event, part) || !strings.Contains(event, "Boats") {
			t.Errorf("%s got %s", path, event)
		}
	}
	for _, one := range r.got("/raw") {
		if strings.Contains(string(one.Event), `"oversight.pending"`) {
			r.recipes(one, secret)
		}
	}
	h.secret(r, "webhook", "rotate", raw)
	first := r.got("/raw")[0].ID
	h.must("webhook", "redeliver", strings.TrimPrefix(first, "msg_"))
	h.until("one more", func() bool { return len(r.got("/raw")) == 6 })
	if again := r.got("/raw")[5]; again.ID != first || !slices.Equal(again.By, []int{0, 3}) || again.Forged != 0 {
		t.Errorf("after the rotation: %+v, want %s again", again, first)
	}
}

// A mail that a server refuses, and one that an approver does.
func TestStandardWebhooksTakesWhatEndsWithoutADelivery(t *testing.T) {
	p := startPostfix(t, "smtpd_recipient_restrictions = check_recipient_access "+
		"inline:{ {gone@dest.test = 550 5.1.1 nobody of that name} }, permit_mynetworks, reject\n")
	h, r := start(t, "--next-hop", p.addr), startReceiver(t)
	h.webhook(r, "/raw", "--event", "message.bounced,message.rejected,oversight.rejected,message.sent,oversight.expired")
	for _, subject := range []string{"Gone", "No"} {
		if code, said := h.http("POST", "/v1/send", `{"to":["gone@dest.test"],"subject":"`+subject+
			`","markdown":"Hello"}`); code != 202 {
			t.Fatalf("%d %s", code, said)
		}
	}
	h.must("approve", h.only("Gone").ID, "--yes")
	h.must("reject", h.only("No").ID, "--reason", "no")
	h.until("three events", func() bool { return len(r.got("/raw")) >= 3 })
	for _, one := range r.got("/raw") {
		if !slices.Equal(one.By, []int{0}) || one.Forged != 0 {
			t.Errorf("not taken: %+v", one)
		}
	}
	want := []string{"message.bounced", "message.rejected", "oversight.rejected"}
	if got := eventNames(t, r.got("/raw")); !slices.Equal(got, want) {
		t.Errorf("the events are %q", got)
	}
}

// Killed at moments that nobody chose, between an event and its delivery among them, a daemon
// tells of every mail there is, each time under one id.
func TestKillAtAnyMomentLosesNoEvent(t *testing.T) {
	kills := 8
	if longRun {
		kills = 80
	}
	h, r := start(t), startReceiver(t)
	id, _ := h.webhook(r, "/raw", "--event", "oversight.pending")
	for i := range kills {
		for j := range 5 {
			code, said := h.http("POST", "/v1/send", fmt.Sprintf(
				`{"to":["ada@dest.test"],"subject":"Boat %d of %d","markdown":"Hello"}`, j, i))
			if code != 202 {
				t.Fatalf("%d %s", code, said)
			}
		}
		time.Sleep(time.Duration(rand.IntN(150)) * time.Millisecond) // a follower waits 50 ms, an attempt is short
		h.kill(syscall.SIGKILL)
		h.run()
	}
	stored := map[string]string{} // mail: id of its event
	for _, m := range h.pending() {
		stored[m.ID] = ""
	}
	if len(stored) != 5*kills {
		t.Errorf("%d mails are held", len(stored))
	}
	// What was interrupted is attempted again when its minute is over.
	missing := len(stored)
	for end := time.Now().Add(3 * time.Minute); missing > 0 && time.Now().Before(end); time.Sleep(200 * time.Millisecond) {
		missing = len(stored)
		for _, one := range r.got("/raw") {
			var e struct {
				Data struct {
					Email string `json:"email_id"`
				}
			}
			decode(t, string(one.Event), &e)
			before, known := stored[e.Data.Email]
			switch {
			case !known || before != "" && before != one.ID:
				t.Fatalf("%s is told as %s and %q", e.Data.Email, one.ID, before)
			case len(one.By) != 1 || one.Forged != 0:
				t.Fatalf("not taken: %+v", one)
			}
			stored[e.Data.Email] = one.ID
		}
		for _, event := range stored {
			if event != "" {
				missing--
			}
		}
	}
	t.Logf("%d kills, %d mails, %d requests", kills, len(stored), len(r.got("/raw")))
	if missing > 0 {
		list := h.must("webhook", "deliveries", "--webhook", id)
		t.Errorf("%d of %d mails are told to nobody:\n%s", missing, len(stored), list)
	}
}
