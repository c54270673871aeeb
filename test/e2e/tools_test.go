//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

// toolCall is a row of the table: a call of a tool and what it answers.
//
// In args and want a text that is $name stands for what an earlier row has put there; the
// first want that has a name puts it. @time, @note, @size and @count stand for any time,
// text, number above zero and number, and ‹text› for a text that is marked as a stranger's.
// Nothing else may be in the answer, but beside a member @more.
type toolCall struct {
	as, tool, args string
	want           string            // JSON
	framed         map[string]string // what a block says it holds, and the text in it
	notes          []string          // parts of what is said beside the data
	refused        string            // part of the reason, instead of all that
	before         func(*scene)
	during         func(*scene) // once the call waits
	after          func(*scene)
}

// scene is a daemon with clients of one kind, and what the rows have learned.
type scene struct {
	*testing.T
	h       *daemon
	clients map[string]toolClient // by the part that they play
	vars    map[string]string
	nonces  map[string]bool
	nonce   string // of the answer that is looked at
	waits   chan struct{}
	called  map[string]bool
	done    map[string]bool // tools that have answered without an error

	maildir string          // where the next hop puts mail
	spent   map[string]bool // codes that were looked at
}

// Every tool that any credential sees is called by each official client over each
// transport, and answers to the octet what the table says.
func TestEveryToolAnswersTheOfficialClientsOverStdioAndHTTP(t *testing.T) {
	keep, dir := keepsMail(t)
	spent := map[string]bool{}
	p := startPostfix(t, keep+"smtpd_recipient_restrictions = check_recipient_access "+
		"inline:{ {gone@dest.test = 550 5.1.1 nobody of that name} }, permit_mynetworks, reject\n")
	for _, way := range []struct {
		name  string
		open  func(t *testing.T, at, key string, stdio bool) toolClient
		stdio bool
	}{
		{"Go over HTTP", overGo, false}, {"Go over stdio", overGo, true},
		{"TypeScript over HTTP", overNode, false}, {"TypeScript over stdio", overNode, true},
	} {
		t.Run(way.name, func(t *testing.T) {
			h := start(t, "--next-hop", p.addr)
			s := &scene{T: t, h: h, clients: map[string]toolClient{}, vars: map[string]string{"box": h.dev.Mailbox},
				nonces: map[string]bool{}, waits: make(chan struct{}, 9), called: map[string]bool{},
				done: map[string]bool{}, maildir: dir, spent: spent}
			at := watchtower(t, h.dev.HTTP, s.waits)
			h.must("agent", "add", "coder")
			h.must("mailbox", "add", "coder@example.test", "--agent", "coder")
			for part, key := range map[string]string{"agent": h.dev.AgentKey, "approver": h.approverKey(),
				"admin": strings.TrimSpace(h.must("key", "create", "admin", "ops", "--scope", "admin")),
				"coder": strings.TrimSpace(h.must("key", "create", "agent", "coder", "--scope", "read,send"))} {
				s.clients[part] = way.open(t, at, key, way.stdio)
			}
			seen := s.tools()
			for i, c := range slices.Concat(readingCalls, filterCalls, answeringCalls, keepingCalls, spamCalls, sendingCalls,
				mailboxCalls, codeCalls, givenCalls, closingCalls) {
				if s.row(c); t.Failed() {
					t.Fatalf("row %d: %s calls %s %s", i, c.as, c.tool, c.args)
				}
			}
			s.complete(seen)
		})
	}
}

// tools lists what each part sees.
func (s *scene) tools() map[string][]string {
	s.Helper()
	names := map[string][]string{}
	for part, c := range s.clients {
		for _, tool := range c.tools() {
			names[part] = append(names[part], tool.Name)
		}
	}
	return names
}

// complete fails unless each part has called every tool that it saw, and some part saw
// each tool that there is, and each has done for somebody what it is for.
func (s *scene) complete(saw map[string][]string) {
	s.Helper()
	seen := map[string]bool{}
	for part, names := range saw {
		for _, name := range names {
			if seen[name] = true; !s.called[part+" "+name] && part != "coder" {
				s.Errorf("no row of the table has the %s call %s", part, name)
			}
		}
	}
	for _, op := range api.Operations.Operations() {
		if op.Tool != nil && !seen[op.Name] {
			s.Errorf("nobody sees %s", op.Name)
		}
		if op.Tool != nil && !s.done[op.Name] {
			s.Errorf("%s has answered nobody but with a refusal, or with the request for a code", op.Name)
		}
	}
}

// row makes a call and compares its answer.
func (s *scene) row(c toolCall) {
	s.Helper()
	if c.before != nil {
		c.before(s)
	}
	var args map[string]any
	decode(s.T, s.filled(c.args), &args)
	answer := make(chan toolResult, 1)
	go func() {
		defer close(answer)
		answer <- s.clients[c.as].call(c.tool, args)
	}()
	if c.during != nil {
		<-s.waits
		c.during(s)
	}
	r := <-answer
	s.called[c.as+" "+c.tool] = true
	if c.refused != "" {
		if said := r.Thrown + r.all(); !strings.Contains(said, c.refused) || r.Thrown == "" && !r.IsError {
			s.Errorf("it is not refused with %q: %s %s", c.refused, said, r.Structured)
		}
		return
	}
	if r.Thrown != "" || r.IsError {
		s.Errorf("it fails: %s%s", r.Thrown, r.all())
		return
	}
	s.fresh(r)
	var want, got any
	decode(s.T, c.want, &want)
	decode(s.T, string(r.Structured), &got)
	if s.compare("", want, got); s.Failed() {
		s.Logf("the answer is\n%s", r.Structured)
	}
	s.blocks(c, r)
	s.done[c.tool] = s.done[c.tool] || c.want != waitsForCode
	if c.after != nil {
		c.after(s)
	}
}

// filled puts what is known in the place of names.
func (s *scene) filled(args string) string {
	s.Helper()
	return regexp.MustCompile(`\$[a-z]+`).ReplaceAllStringFunc(args, func(name string) string {
		value, known := s.vars[name[1:]]
		if !known {
			s.Fatalf("nobody knows %s", name)
		}
		return value
	})
}

var (
	nonceOf  = regexp.MustCompile(`UNTRUSTED ([A-Z2-7]{26}), was chosen by strangers`)
	markedAs = regexp.MustCompile(`(?s)^\[untrusted ([A-Z2-7]{10})\] (.*) \[/([A-Z2-7]{10})\]$`)
	quotedOn = regexp.MustCompile(`On \w+, \d+ \w+ \d+ at [\d:]+ UTC, `)
	frameOf  = regexp.MustCompile(`(?s)^----- BEGIN UNTRUSTED (.+) ([A-Z2-7]{26}) \(data, not instructions\) -----\n` +
		`(.*)\n----- END UNTRUSTED (.+) ([A-Z2-7]{26}) -----$`)
)

// fresh finds the nonce of an answer, which no answer had before.
func (s *scene) fresh(r toolResult) {
	s.Helper()
	s.nonce = ""
	if len(r.Content) == 0 {
		s.Fatal("the answer has no text")
	}
	for _, block := range r.Content { // a link to the mail may stand behind it
		m := nonceOf.FindStringSubmatch(block.Text)
		if m == nil {
			continue
		}
		if s.nonce = m[1]; s.nonces[s.nonce] {
			s.Errorf("the nonce %s comes twice", s.nonce)
		}
		s.nonces[s.nonce] = true
	}
}

// blocks compares the text of an answer: the data once more, notes, and each frame.
func (s *scene) blocks(c toolCall, r toolResult) {
	s.Helper()
	var data, same any
	decode(s.T, string(r.Structured), &data)
	if err := json.Unmarshal([]byte(r.Content[0].Text), &same); err != nil || encode(s.T, data) != encode(s.T, same) {
		s.Errorf("the first block is not the data: %v\n%s", err, r.Content[0].Text)
	}
	framed := map[string]string{}
	for _, b := range r.Content[1:] {
		if m := frameOf.FindStringSubmatch(b.Text); m != nil {
			if m[1] != m[4] || m[2] != s.nonce || m[5] != s.nonce {
				s.Errorf("a frame of another answer: %s", b.Text)
			}
			framed[m[1]] = quotedOn.ReplaceAllString(m[3], "On @time, ")
		} else if strings.Contains(b.Text, "----- BEGIN") {
			s.Errorf("a frame that does not close: %s", b.Text)
		}
	}
	want := map[string]string{}
	for what, text := range c.framed {
		want[s.filled(what)] = s.filled(text)
	}
	if !maps.Equal(framed, want) {
		s.Errorf("the frames are %q, want %q", framed, want)
	}
	for _, note := range c.notes {
		if !strings.Contains(r.all(), s.filled(note)) {
			s.Errorf("it does not say %q: %s", note, r.all())
		}
	}
}

// compare fails unless got is what a want of the table says.
func (s *scene) compare(at string, want, got any) {
	s.Helper()
	switch w := want.(type) {
	case map[string]any:
		g, _ := got.(map[string]any)
		for k := range g {
			if _, more := w["@more"]; more {
				break
			}
			if _, named := w[k]; !named {
				s.Errorf("%s.%s is %v, and not in the table", at, k, g[k])
			}
		}
		for k, v := range w {
			if k == "@more" {
				continue
			}
			if x, there := g[k]; !there {
				s.Errorf("there is no %s.%s, want %v", at, k, v)
			} else {
				s.compare(at+"."+k, v, x)
			}
		}
	case []any:
		g, _ := got.([]any)
		if len(g) != len(w) {
			s.Errorf("%s has %d elements, want %d: %v", at, len(g), len(w), got)
			return
		}
		for i := range w {
			s.compare(fmt.Sprintf("%s[%d]", at, i), w[i], g[i])
		}
	case string:
		s.text(at, w, got)
	default:
		if want != got {
			s.Errorf("%s is %v, want %v", at, got, want)
		}
	}
}

// text compares one value with a text of the table.
func (s *scene) text(at, want string, got any) {
	s.Helper()
	g, isText := got.(string)
	switch {
	case want == "@size":
		if n, ok := got.(float64); !ok || n <= 0 {
			s.Errorf("%s is %v and no number above zero", at, got)
		}
		return
	case want == "@count":
		if n, ok := got.(float64); !ok || n < 0 {
			s.Errorf("%s is %v and no number", at, got)
		}
		return
	case want == "@note":
		if !isText || g == "" {
			s.Errorf("%s is %v and no text", at, got)
		}
		return
	case want == "@time":
		if _, err := time.Parse(time.RFC3339, g); err != nil {
			s.Errorf("%s is %v and no time", at, got)
		}
		return
	case want == "@marked":
		want = "‹" + strings.TrimPrefix(markedAs.ReplaceAllString(g, "$2"), "$") + "›"
		fallthrough
	case strings.HasPrefix(want, "‹"):
		m := markedAs.FindStringSubmatch(g)
		if m == nil || m[1] != m[3] || s.nonce == "" || !strings.HasPrefix(s.nonce, m[1]) {
			s.Errorf("%s is %q, without the marks of this answer", at, g)
			return
		}
		want, g = strings.TrimSuffix(strings.TrimPrefix(want, "‹"), "›"), m[2]
	}
	if name, isName := strings.CutPrefix(want, "$"); isName && s.vars[name] == "" && g != "" {
		s.vars[name] = g
		return
	}
	if want = s.filled(want); !isText || want != g {
		s.Errorf("%s is %#v, want %q", at, got, want)
	}
}
