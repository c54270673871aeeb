package daemon

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

const someCode = "ABC-DEF-GHJK"

// sends runs a daemon with a next hop, and has it send the mail of a code for a domain.
func sends(t *testing.T, o mailtest.NextHopOptions, domain string) (data string, hop *mailtest.NextHop, sent error) {
	t.Helper()
	hop, data = mailtest.NewNextHop(t, o), filepath.Join(t.TempDir(), "dev")
	d, err := NewDev(DevOptions{Data: data, NextHop: hop.Addr(), FreePorts: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	err = d.Run(ctx, func() error {
		defer stop()
		sent = d.sendCode(ctx, domain, strings.Repeat("ab", 32), message.CodeNotice{To: mail.MustAddress("boss@far.test"),
			Code: someCode, Requester: "agent:bot", Operation: "add_allowlist_entry", Good: time.Hour, Now: time.Now(),
			Values: []message.CodeValue{{Name: "pattern", Value: "*@b.test"}}})
		return d.db.View(ctx, func(tx store.Tx) error {
			kept, err := d.ledger.All(tx, "", 10)
			if len(kept) > 0 {
				t.Errorf("%d mails are kept", len(kept))
			}
			return err
		})
	})
	if err != nil {
		t.Fatal(err)
	}
	return data, hop, sent
}

func TestTheMailOfACodeGoesToTheOperatorSignedAndIsKeptNowhere(t *testing.T) {
	data, hop, err := sends(t, mailtest.NextHopOptions{}, "example.test")
	if err != nil {
		t.Fatal(err)
	}
	got := hop.Transactions()
	if len(got) != 1 || !got[0].Taken || strings.Join(got[0].Rcpts, " ") != "boss@far.test" ||
		got[0].From != "postmaster@example.test" {
		t.Fatalf("the next hop got %+v", got)
	}
	text := string(got[0].Data)
	for _, want := range []string{"DKIM-Signature:", sign.HeaderName + ":", "From: MultiMail <postmaster@example.test>",
		"Code: " + someCode, "| *@b.test", "Auto-Submitted: auto-generated"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	notIn(t, data)
}

func TestACodeThatIsNotTakenIsAnErrorWithoutIt(t *testing.T) {
	at := func(step mailtest.Step, f mailtest.Fault) mailtest.NextHopOptions {
		return mailtest.NextHopOptions{Faults: map[mailtest.Step]mailtest.Fault{step: f}}
	}
	for name, c := range map[string]struct {
		hop    mailtest.NextHopOptions
		domain string
	}{
		"refused":        {at(mailtest.AtDot, mailtest.Fault{Reply: "550 5.7.1 no " + someCode}), "example.test"},
		"later":          {at(mailtest.AtRCPT, mailtest.Fault{Reply: "451 later"}), "example.test"},
		"cut":            {at(mailtest.AtDot, mailtest.Fault{Cut: true}), "example.test"},
		"no server":      {mailtest.NextHopOptions{Refuse: true}, "example.test"},
		"no such domain": {mailtest.NextHopOptions{}, "else.test"},
	} {
		t.Run(name, func(t *testing.T) {
			data, hop, err := sends(t, c.hop, c.domain)
			if err == nil || strings.Contains(err.Error(), someCode) {
				t.Errorf("got %v", err)
			}
			for _, got := range hop.Transactions() {
				if got.Taken {
					t.Error("the next hop has it")
				}
			}
			notIn(t, data)
		})
	}
}

// notIn fails if the code stands in a file below a directory.
func notIn(t *testing.T, dir string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		files++
		b, err := os.ReadFile(path)
		if strings.Contains(string(b), someCode) || strings.Contains(string(b), strings.ReplaceAll(someCode, "-", "")) {
			t.Errorf("the code stands in %s", path)
		}
		return err
	})
	if err != nil || files < 3 {
		t.Errorf("%d files, %v", files, err)
	}
}
