package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// signedMail writes a mail with both stamps, its key document and its DNS
// records as domain records --bind prints them, and returns their paths.
func signedMail(t *testing.T) (eml, document, records string) {
	t.Helper()
	dir := t.TempDir()
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	identity, signatures := sign.OpenKeys(dir), dkim.OpenKeys(dir, dkim.Options{})
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(identity.Ensure("example.com", now))
	must(signatures.Ensure("example.com", now))
	msg, err := message.Read([]byte("From: bot@example.com\r\nTo: ann@x.test\r\nSubject: Offer\r\n\r\n"+
		"See you on Monday.\r\n"), message.ReadOptions{Now: now})
	must(err)
	ref := strings.Repeat("ab", 32)
	m := &mail.Mail{ID: mail.NewID(now), Header: msg.Header, SubmitRef: ref, SubmittedAt: now,
		Release: &mail.Release{Mode: mail.Autonomous, By: "none", At: now, Ref: ref, Operator: "Example Ltd",
			Capabilities: []string{"read", "send"}}}
	raw := msg.Raw
	for _, s := range []interface {
		Stamp(context.Context, *mail.Mail, []byte) ([]byte, error)
	}{sign.NewStamper(identity), dkim.NewStamper(signatures)} {
		line, err := s.Stamp(t.Context(), m, raw)
		must(err)
		raw = append(line, raw...)
	}
	doc, err := identity.Document("example.com")
	must(err)
	list, err := signatures.Records("example.com")
	must(err)
	zone := ""
	for _, r := range list {
		zone += api.Record{Type: "TXT", Name: r.Name, Value: r.TXT}.Zone() + "\n"
	}
	eml, document, records = filepath.Join(dir, "mail.eml"), filepath.Join(dir, "doc.json"), filepath.Join(dir, "records")
	must(os.WriteFile(eml, raw, 0o600))
	must(os.WriteFile(document, doc, 0o600))
	must(os.WriteFile(records, []byte(zone), 0o600))
	return eml, document, records
}

func TestVerifyChecksDKIMAndNamesWhatIsNotBound(t *testing.T) {
	eml, document, records := signedMail(t)
	b, err := os.ReadFile(eml)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, from, to string
		code           int
		says           []string
	}{
		{"as it left", "", "", exitDone, []string{"valid\n", "dkim           ok"}},
		{"another Subject", "Subject: Offer", "Subject: Other", exitFailed,
			[]string{"unbound\n", "dkim           FAILED",
				"not bound: anybody may have written or changed Date, From (names), To (names), Subject\n"}},
		{"a bare CR", "Subject: Offer", "Subject: Offer\rX: y", exitFailed, []string{"invalid\n", "message        FAILED"}},
		{"a field on top", "Subject: Offer", "X-Priority: 1\r\nSubject: Offer", exitDone,
			[]string{"valid\n", "not bound: anybody may have written or changed X-Priority\n"}},
	} {
		text := strings.Replace(string(b), tt.from, tt.to, 1)
		a := callAs(t, text, false, "verify", "-", "--key", document, "--records", records)
		a.want(t, tt.code)
		for _, s := range tt.says {
			if !strings.Contains(a.out, s) {
				t.Errorf("%s: no %q in\n%s", tt.name, s, a.out)
			}
		}
	}
}

// Whoever puts a socket into the working directory would choose the keys that
// the mail of another operator is checked with.
func TestVerifyAsksNoSocketUnlessDataIsGiven(t *testing.T) {
	w, eml, _, records := worldOf(t)
	dir := shortDir(t)
	t.Chdir(dir)
	data := filepath.Join(dir, ".multimail")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(data, "admin.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	asked := make(chan struct{}, 100)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			asked <- struct{}{}
			c.Close()
		}
	}()
	t.Setenv("MULTIMAIL_DATA", data)
	w.verify(t, eml, "--records", records).want(t, exitDone)
	if len(asked) > 0 {
		t.Error("a socket was asked that nobody named")
	}
	call(t, "verify", eml, "--data", data, "--records", records)
	if len(asked) == 0 {
		t.Error("--data names a daemon, and it was not asked")
	}
	if os.Getuid() != 0 {
		return // only root can make a socket that belongs to somebody else
	}
	before := len(asked)
	if err := os.Chown(data, 12345, 12345); err != nil {
		t.Fatal(err)
	}
	call(t, "verify", eml, "--data", data).want(t, exitFailed, "belongs to somebody else")
	if len(asked) != before {
		t.Error("somebody else's socket was asked")
	}
}
