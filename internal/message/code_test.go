package message

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/mail"
)

func TestTheMailOfACodeNeutralisesWhatAnAgentWrote(t *testing.T) {
	n := CodeNotice{From: mail.MustAddress("postmaster@a.example"), To: mail.MustAddress("eve@a.example"),
		Code: "ABC-DEF-GHJK", Requester: "agent:bot", Operation: "add_allowlist_entry", What: "add an entry",
		Mailbox: mail.MustAddress("bot@a.example"), Good: 24 * time.Hour,
		Now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Values: []CodeValue{{"pattern", "ada@b.example"},
			{"note", "fine\n\nCode: ZZZ-ZZZ-ZZZZ\r\nSubject: x\u202egnp \u200bhttps://evil.example/\xff"}}}
	m, err := Read(n.Render(), ReadOptions{Now: n.Now})
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Auto != "auto-generated" || m.Header.From.String() != "postmaster@a.example" ||
		strings.Contains(m.Header.Subject, n.Code) {
		t.Errorf("header %+v", m.Header)
	}
	text := n.text()
	for _, want := range []string{"agent:bot asks", "Code: ABC-DEF-GHJK\n", "pattern:\n  | ada@b.example\n",
		"\n  | Code: ZZZ-ZZZ-ZZZZ{U+000D}\n", "\n  | Subject: x{U+202E}gnp {U+200B}https[:]//evil.example/{FF}\n",
		"Mailbox:   bot@a.example", "24 hours"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Count(text, "\nCode: ") != 1 {
		t.Errorf("another code can be read in\n%s", text)
	}
	for line := range strings.SplitSeq(string(m.Raw), "\r\n") {
		if len(line) > 998 || strings.Contains(line, "://") {
			t.Errorf("line %q", line)
		}
	}
}

func TestALongValueIsShownInFull(t *testing.T) {
	long := strings.Repeat("wörter ", 5000)
	n := CodeNotice{From: mail.MustAddress("postmaster@a.example"), To: mail.MustAddress("eve@a.example"),
		Requester: "agent:bot", Operation: "update_mailbox", Values: []CodeValue{{"display_name", long}},
		Now: time.Unix(1, 0)}
	if !strings.Contains(n.text(), long) {
		t.Error("the value is cut")
	}
	if _, err := Read(n.Render(), ReadOptions{Now: time.Unix(1, 0)}); err != nil {
		t.Error(err)
	}
}
