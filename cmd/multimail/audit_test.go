package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
)

// exported is a log of two entries, as the daemon exports it.
func exported(t *testing.T) string {
	t.Helper()
	db, err := bolt.Open(bolt.Options{Dir: t.TempDir(), Create: true, Reserve: 1,
		Now: func() time.Time { return time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC) }})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	log := audit.New("node")
	var b strings.Builder
	err = db.Update(context.Background(), func(tx store.Tx) error {
		for _, r := range []audit.Record{
			{Kind: audit.StoreStart, Facts: map[string]string{"version": "1"}},
			{Kind: audit.DomainAdd, Facts: map[string]string{"domain": "a.test"}},
		} {
			r.Actor = audit.Actor{Kind: "system"}
			if _, err := log.Append(tx, r); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		err = log.Export(context.Background(), db, &b, audit.ExportOptions{Openings: true})
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// auditDaemon answers the export with text and the verification with report.
func auditDaemon(t *testing.T, text, report string) []string {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost {
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, report)
			return
		}
		io.WriteString(w, text)
	}))
	t.Cleanup(srv.Close)
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("mm_live_x"), 0o600); err != nil {
		t.Fatal(err)
	}
	return []string{"--url", srv.URL, "--key-file", key}
}

func TestAnExportThatBreaksOffFails(t *testing.T) {
	text := exported(t)
	lines := strings.SplitAfter(text, "\n")
	for name, c := range map[string]struct {
		text string
		code int
	}{
		"whole":              {text, exitDone},
		"nothing":            {"", exitFailed},
		"without its end":    {strings.Join(lines[:3], ""), exitFailed},
		"within a line":      {text[:len(text)-3], exitFailed},
		"the server gave up": {strings.Join(lines[:2], "") + `{"error":"the export broke off"}` + "\n", exitFailed},
	} {
		a := call(t, append(auditDaemon(t, c.text, `{"ok":true}`), "audit", "export")...)
		if a.code != c.code || a.out != c.text {
			t.Errorf("%s: exit %d, want %d: %s", name, a.code, c.code, a.stderr)
		}
	}
}

func TestVerifyPrintsOneLineOfWhatItSaw(t *testing.T) {
	text := exported(t)
	a := call(t, append(auditDaemon(t, text, `{"ok":true}`), "audit", "verify")...).want(t, exitDone)
	if want := "ok: 1 chain, 2 entries, 0 mails replayed, 2026-11-01T08:00:00Z to 2026-11-01T08:00:00Z\n"; a.out != want {
		t.Errorf("got %q, want %q", a.out, want)
	}
	v := decoded[struct {
		OK      bool
		Entries int
		Chains  []struct{ Chain, Head, Root string }
	}](t, call(t, append(auditDaemon(t, text, `{"ok":true}`), "--json", "audit", "verify")...))
	if !v.OK || v.Entries != 2 || len(v.Chains) != 1 || len(v.Chains[0].Root) != 64 {
		t.Errorf("got %+v", v)
	}
}

func TestVerifyFailsWhenTheDaemonsRecordsAreNotThoseOfItsLog(t *testing.T) {
	call(t, append(auditDaemon(t, exported(t), `{"ok":false,"error":"mail M1: the log has no entry of it"}`),
		"audit", "verify")...).want(t, exitFailed, "the log has no entry of it")
}
