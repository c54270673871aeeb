package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// held is what a site's tests read of a mail.
type held struct {
	ID, State, Digest string
}

func (s *site) mail(id string) held {
	s.Helper()
	return decoded[held](s.T, s.cli("mail", "show", id, "--json"))
}

func TestAnApproverIsShownTheDigestAndAskedBeforeTheMailGoes(t *testing.T) {
	s := started(t)
	for answer, goes := range map[string]bool{
		"yes\n": true, " yes \n": true, "y\n": false, "no\n": false, "YES\n": false, "": false, "\n": false,
	} {
		id := s.submit(plainMail, "ada@dest.test")
		before := s.mail(id)
		a := callAs(t, answer, true, "approve", id, "--data", s.data, "--key-file", s.key)
		question := "Approve these bytes, digest " + before.Digest + "? [yes/no] "
		if !strings.Contains(a.stderr, question) || !strings.Contains(a.stderr, "| Good morning.") {
			t.Errorf("%q: the approver was shown\n%s", answer, a.stderr)
		}
		if goes != (a.code == exitDone) || goes == (s.mail(id).State == "held") {
			t.Errorf("%q: exit %d, the mail is %s", answer, a.code, s.mail(id).State)
		}
		if strings.Contains(a.out, "Approve these") {
			t.Errorf("the question stands among the results: %s", a.out)
		}
		s.approver("reject", id)
	}
}

func TestAnswersToSeveralQuestionsAreReadOneByOne(t *testing.T) {
	s := started(t)
	one, two := s.submit(plainMail, "a@dest.test"), s.submit(plainMail, "b@dest.test")
	a := callAs(t, "no\nyes\n", true, "approve", one, two, "--data", s.data, "--key-file", s.key)
	a.want(t, exitFailed, one+": not approved", "not every mail was decided")
	if s.mail(one).State != "held" || s.mail(two).State == "held" {
		t.Errorf("%s and %s", s.mail(one).State, s.mail(two).State)
	}
}

func TestAnApprovalOfOtherBytesIsRefused(t *testing.T) {
	s := started(t)
	id := s.submit(plainMail, "ada@dest.test")
	s.approver("approve", id, "--digest", strings.Repeat("0", 64)).want(t, exitFailed, "error: ")
	if st := s.mail(id).State; st != "held" {
		t.Errorf("the mail is %s", st)
	}
	s.approver("approve", id, "--digest", s.mail(id).Digest).want(t, exitDone)
	s.approver("approve", id, "--digest", s.mail(id).Digest).want(t, exitFailed, "error: ")
}

func TestOneDecisionThatFailsHidesNoneOfTheOthers(t *testing.T) {
	s := started(t)
	id := s.submit(plainMail, "ada@dest.test")
	missing := "01ARZ3NDEKTSV4RRFFQ69G5FAV"
	a := s.approver("reject", missing, id, "--json")
	a.want(t, exitFailed, missing, "not every mail was decided")
	if !strings.Contains(a.out, `"status": "rejected"`) || !strings.Contains(a.out, `"error": "`) {
		t.Errorf("%s", a.out)
	}
}

func TestTheBareSocketMayTightenButNotLoosen(t *testing.T) {
	s := started(t)
	id := s.submit(plainMail, "ada@dest.test")
	digest := s.mail(id).Digest
	s.cli("freeze", "agent:"+siteAgent).want(t, exitDone)
	for _, args := range [][]string{
		{"approve", id, "--digest", digest},
		{"mailbox", "mode", siteMailbox, "autonomous"},
		{"allow", "add", siteMailbox, "*@dest.test"},
		{"thaw", "agent:" + siteAgent},
		{"operator", "--oversight", "other@example.test"},
	} {
		a := s.cli(args...).want(t, exitFailed, "error: ", "hint: ", "--key-file")
		if a.out != "" {
			t.Errorf("%v: %s", args, a.out)
		}
		s.approver(args...).want(t, exitDone)
	}
	s.cli("mailbox", "mode", siteMailbox, "gated_all").want(t, exitDone)
}

func TestAnApproversKeyInTheDataDirectoryIsRefused(t *testing.T) {
	s := started(t)
	id := s.submit(plainMail, "ada@dest.test")
	b, err := os.ReadFile(s.key)
	if err != nil {
		t.Fatal(err)
	}
	in := filepath.Join(s.data, "approver.key")
	if err := os.WriteFile(in, b, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(filepath.Dir(s.key), "link.key")
	if err := os.Symlink(in, link); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{in, link} {
		s.cli("approve", id, "--yes", "--key-file", key).
			want(t, exitFailed, "does not belong into the data directory", "hint: move it")
	}
	s.approver("key", "create", "approver", "bob", "--out", filepath.Join(s.data, "bob.key")).
		want(t, exitFailed, "does not belong")
	if st := s.mail(id).State; st != "held" {
		t.Errorf("the mail is %s", st)
	}
	// An agent's key decides nothing and may lie where its program runs.
	agent := filepath.Join(s.data, "agent.key")
	s.cli("key", "create", "agent", siteAgent, "--out", agent).want(t, exitDone)
	s.cli("approve", id, "--yes", "--key-file", agent).want(t, exitFailed, "error: ")
}

func TestAKeyHoldsAllOfItsKindUnlessScopesAreGiven(t *testing.T) {
	s := started(t)
	type key struct{ Scopes []string }
	for _, c := range []struct {
		kind, owner, some string
		as                func(...string) answer
		all               int
	}{
		{"agent", siteAgent, "read", s.cli, 2},
		{"admin", "ops", "oversight_read", s.cli, 3},
		{"approver", "bob", "oversight_read", s.approver, 2},
	} {
		args := []string{"key", "create", c.kind, c.owner, "--json"}
		if k := decoded[key](t, c.as(args...)); len(k.Scopes) != c.all {
			t.Errorf("%s: %v", c.kind, k.Scopes)
		}
		if k := decoded[key](t, c.as(append(args, "--scope", c.some)...)); len(k.Scopes) != 1 {
			t.Errorf("%s: %v", c.kind, k.Scopes)
		}
	}
}

func TestAKeyThatCannotBeWrittenIsRevoked(t *testing.T) {
	s := started(t)
	a := s.cli("key", "create", "agent", siteAgent, "--out", filepath.Join(s.data, "no", "such", "file"))
	a.want(t, exitFailed, "could not be written and is revoked")
	out := s.cli("key", "list").want(t, exitDone).out
	if strings.Contains(out, "agent") && !strings.Contains(out, "revoked") {
		t.Errorf("%s", out)
	}
}

func TestOnlyAPersonsTerminalIsAsked(t *testing.T) {
	null, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	for name, in := range map[string]any{
		"a buffer": strings.NewReader(""), "the null device": null, "a pipe": r, "nothing": nil,
	} {
		if terminal(in) {
			t.Errorf("%s is asked", name)
		}
	}
	if tty, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0); err == nil {
		defer tty.Close()
		if !terminal(tty) {
			t.Error("a terminal is not asked")
		}
	}
}

// However long the mail above it is, the question says what it is about.
func TestTheQuestionRepeatsWhatMattersBelowAMailOfAnyLength(t *testing.T) {
	s := started(t)
	long := strings.Replace(plainMail, "Good morning.", strings.Repeat("line\n", 5000), 1)
	id := s.submit("Reply-To: eve@evil.test\n"+long,
		"ada@dest.test", "spy@dest.test")
	a := callAs(t, "no\n", true, "approve", id, "--data", s.data, "--key-file", s.key)
	_, question, _ := strings.Cut(a.stderr, "-- What you decide about\n")
	for _, want := range []string{
		"Recipient:  spy@dest.test  (BCC: To and Cc do not name it)\nRecipient:  ada@dest.test\n", "Subject:    ",
		"Parts:      1, of which attachments: 0\n", "WARNING:    blind_recipient: spy@dest.test",
		"WARNING:    reply_elsewhere: replies go to eve@evil.test\n", "digest " + s.mail(id).Digest,
	} {
		if !strings.Contains(question, want) {
			t.Errorf("no %q in\n%s", want, question)
		}
	}
	if n := strings.Count(question, "\n"); n > 15 {
		t.Errorf("%d lines", n)
	}
}
