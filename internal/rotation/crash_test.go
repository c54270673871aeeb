package rotation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/keyset"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/secret"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// crashed is a system in a directory that outlives the process.
type crashed struct {
	*systemtest.System
	clock    *systemtest.Clock
	identity *sign.Keyring
	dkim     *dkim.Keyring
	keeper   *Keeper
	zone     map[string]string // nil: whatever is asked for is there
}

func open(t *testing.T, dir string, now time.Time) *crashed {
	t.Helper()
	c := &crashed{clock: systemtest.NewClock(now, 0)}
	c.System = systemtest.New(t, systemtest.Options{Dir: dir, Now: c.clock.Now})
	c.identity = sign.OpenKeys(dir)
	c.dkim = dkim.OpenKeys(dir, dkim.Options{Algorithms: []string{dkim.Ed25519}})
	var err error
	c.keeper, err = New(Options{Store: c.DB, Audit: c.Audit, Registry: c.Registry, Identity: c.identity, DKIM: c.dkim,
		Now: c.clock.Now, Trusted: func() bool { return true }, Log: systemtest.Quiet,
		Published: func(context.Context, string, string) (bool, error) { return true, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The variables of the process that is ended.
const crashDir, crashStep = "ROTATION_CRASH_DIR", "ROTATION_CRASH_STEP"

// A rotation, its switch and a revocation, in a process that is killed at one of
// its steps on the disk. It is a test only for TestAProcessThatEnds….
func TestCrashingProcess(t *testing.T) {
	dir := os.Getenv(crashDir)
	if dir == "" {
		return // the other test starts it again with a directory
	}
	last, err := strconv.Atoi(os.Getenv(crashStep))
	if err != nil {
		t.Fatal(err)
	}
	c := open(t, dir, zero)
	c.AddOperator(domain, mail.MustAddress("boss@"+domain))
	for _, err := range []error{c.identity.Ensure(domain, zero), c.dkim.Ensure(domain, zero), c.keeper.Note(t.Context())} {
		if err != nil {
			t.Fatal(err)
		}
	}
	step := 0
	secret.Crash = func(string) {
		if step++; step == last {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	err = c.keeper.Rotate(t.Context(), c.Operator, domain, "")
	c.clock.Forward(keyset.Wait)
	err = errors.Join(err, c.keeper.Advance(t.Context()))
	c.clock.Forward(keyset.Wait)
	err = errors.Join(err, c.keeper.Advance(t.Context()), c.keeper.Replace(t.Context(), c.Operator, domain, ""))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("steps", step)
}

// Whatever step was the last one: at the next start mail is signed and verifies,
// no key is lost, the log tells what happened, and the rotation goes on.
func TestAProcessThatEndsAtAnyStepLeavesKeysThatSign(t *testing.T) {
	const enough = 200
	for last := 1; last < enough; last++ {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestCrashingProcess$", "-test.v")
		cmd.Env = append(os.Environ(), crashDir+"="+dir, crashStep+"="+strconv.Itoa(last))
		out, err := cmd.CombinedOutput()
		if err == nil {
			if !strings.Contains(string(out), "steps "+strconv.Itoa(last-1)) || last < 20 {
				t.Fatalf("%d steps: %s", last-1, out)
			}
			return
		}
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Fatalf("step %d: %v: %s", last, err, out)
		}
		t.Run(strconv.Itoa(last), func(t *testing.T) { afterCrash(t, dir) })
	}
	t.Fatal("it never ends")
}

func afterCrash(t *testing.T, dir string) {
	c := open(t, dir, zero.Add(2*keyset.Wait))
	err := errors.Join(c.identity.Sweep(domain), c.keeper.Note(t.Context()), c.keeper.Advance(t.Context()))
	if err != nil {
		t.Fatal(err)
	}
	c.signs()
	h := &fixture{Example: &systemtest.Example{System: c.System, Clock: c.clock}, identity: c.identity, dkim: c.dkim,
		keeper: c.keeper}
	for range 3 {
		h.advance(keyset.Wait)
		c.signs()
	}
	if got := h.states(); strings.Contains(got, "next") || strings.Count(got, "current") != 2 {
		t.Errorf("at the end: %s", got)
	}
	if err := c.keeper.Rotate(t.Context(), c.Operator, domain, ""); err != nil {
		t.Error(err)
	}
	for range 3 {
		h.advance(keyset.Wait)
	}
	c.signs()
	n, keys := h.counts(), strings.Fields(h.states())
	if n[audit.SigningKeyDiffer] != 0 || n[audit.SigningKeyAdd] != len(keys) || n[audit.SigningKeyRotate] < 2 {
		t.Errorf("%d keys, entries %v", len(keys), n)
	}
	files, err := os.ReadDir(dir + "/keys/" + domain)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), ".new-") {
			t.Errorf("left behind: %s", f.Name())
		}
	}
	if err != nil || len(files) != 3 {
		t.Errorf("%v %v", files, err)
	}
}

// signs stamps a mail and has it verified.
func (c *crashed) signs() {
	c.Helper()
	raw := "Message-ID: <1@example.test>\r\nDate: Fri, 1 May 2026 12:00:00 +0000\r\nFrom: bot@example.test\r\n" +
		"To: ann@x.test\r\nSubject: Offer\r\n\r\nHello.\r\n"
	msg, err := message.Read([]byte(raw), message.ReadOptions{Now: zero})
	if err != nil {
		c.Fatal(err)
	}
	ref := strings.Repeat("ab", 32)
	m := &mail.Mail{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Header: msg.Header, BodyHash: msg.BodyHash, SubmitRef: ref,
		SubmittedAt: zero, Release: &mail.Release{At: c.clock.Now(), By: "none", Ref: ref, Operator: "Example",
			Mode: mail.Autonomous}}
	for _, stamp := range []interface {
		Stamp(context.Context, *mail.Mail, []byte) ([]byte, error)
	}{sign.NewStamper(c.identity), dkim.NewStamper(c.dkim)} {
		line, err := stamp.Stamp(c.Context(), m, msg.Raw)
		if err != nil {
			c.Fatal(err)
		}
		m.Prefix = append(line, m.Prefix...)
	}
	v := sign.Verify(append(m.Prefix, msg.Raw...), sign.Lookup{
		Document: func(string, string) ([]byte, error) { return c.identity.Document(domain) },
		TXT: func(name string) ([]string, error) {
			selector, _, _ := strings.Cut(name, ".")
			_, txt, err := c.dkim.Record(domain, selector)
			return []string{txt}, err
		}})
	if v.Status != sign.Valid {
		c.Errorf("%s %+v", v.Status, v.Checks)
	}
}
