package httpd

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/bounce"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/mcpbridge"
)

// toolMatrix is a system in which there is something for every tool to work on.
type toolMatrix struct {
	*fixture
	fill   *strings.Replacer
	bridge *mcpbridge.Bridge
	listed []map[string]bool // tools, by column
	modes  map[mail.Mode]*fixture
}

func newToolMatrix(t *testing.T) *toolMatrix {
	t.Helper()
	m := &toolMatrix{fixture: newFixture(t), modes: map[mail.Mode]*fixture{}}
	var err error
	if m.bridge, err = mcpbridge.New(api.Operations, mcpbridge.Tools(), "1"); err != nil {
		t.Fatal(err)
	}
	m.unlimited()
	m.fillIn()
	m.addKeys()
	for _, mode := range mail.Modes {
		h := m.clone(t)
		h.Update(func(tx store.Tx) error {
			_, err := h.Registry.SetMode(tx, h.Operator, mail.MustAddress(bot), mode)
			return err
		})
		m.modes[mode] = h
	}
	for n := range matrixKeys {
		m.listed = append(m.listed, m.list(m.fixture, n))
	}
	return m
}

// fillIn makes what the words in capitals stand for.
func (m *toolMatrix) fillIn() {
	m.t.Helper()
	text := with(adasMail, "MIME-Version: 1.0", "Content-Type: multipart/mixed; boundary=b")
	head, _, _ := strings.Cut(text, "\n\n")
	arrived := m.arrive(brought(head + "\n\n--b\n\nIs it still valid?\n--b\nContent-Type: text/plain; name=plan.txt\n" +
		"Content-Disposition: attachment; filename=plan.txt\n\nplan\n--b--\n"))
	m.want(200, "sender", "PUT", "/v1/mailboxes/"+bot+"/emails/"+string(arrived.ID)+"/tags",
		`{"tags":{"topic":"plans"}}`)
	spam := m.arrive(brought(with(adasMail, "Message-ID: <4@b.example>")))
	m.want(200, "sender", "POST", "/v1/emails/"+string(spam.ID)+"/report-spam", "")
	held, scheduled := m.held(), m.scheduled("")
	contact := into[api.Contact](m.fixture, m.want(201, "sender", "POST", "/v1/contacts",
		`{"name":"Ada","email":"ada@b.example","mailbox_id":"`+bot+`"}`))
	entry := into[api.AllowEntry](m.fixture, m.want(201, "approver", "POST", allowPath,
		`{"pattern":"friend@b.example"}`))
	m.Update(func(tx store.Tx) error {
		_, err := bounce.Add(tx, bounce.Entry{Address: mail.MustAddress("gone@b.example"), Mailbox: mail.MustAddress(bot),
			Reason: bounce.HardBounce})
		return err
	})
	m.fill = strings.NewReplacer("BOX", bot, "ARRIVED", string(arrived.ID), "SPAMSUM", string(spam.Digest), "SPAM",
		string(spam.ID), "HELD", held.ID, "DIGEST", held.Digest, "SCHEDULED", scheduled.ID, "CONTACT", contact.ID,
		"ENTRY", entry.ID, "KEY", m.ids["other"], "WEBHOOK", webhookID)
}

// addKeys makes the credentials of the columns.
func (m *toolMatrix) addKeys() {
	m.t.Helper()
	for n, c := range matrixKeys {
		name := fmt.Sprint(n)
		if c.head != "read:token" {
			m.key(name, m.Operator, c.key)
			continue
		}
		m.Update(func(tx store.Tx) error {
			g, err := m.Registry.Grant(tx, m.Operator, registry.GrantRequest{Kind: c.key.Kind, Owner: c.key.Owner,
				Client: "mmc_1", Scopes: []registry.Scope{registry.ScopeRead}, Resource: publicURL + "/mcp"}, true)
			m.keys[name], m.ids[name] = "token of the grant", m.ids["other"]
			m.tokens["token of the grant"] = registry.Token{Issuer: registry.LocalIssuer, Shape: registry.ShapeGranted,
				Object: g.ID, Client: g.Client, Audience: g.Resource, Scopes: g.Scopes,
				Expires: m.clock.Now().Add(24 * time.Hour)}
			return err
		})
	}
}

// rpc makes a request of MCP with the credential of a column.
func (m *toolMatrix) rpc(h *fixture, column int, method, params string) reply {
	h.t.Helper()
	h.s.o.MCP = func(dial func(string) api.Caller) http.Handler { return m.bridge.Handler(dial, 1<<20) }
	as := fmt.Sprint(column)
	r := h.request(as, "POST", "/mcp", `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":`+params+`}`)
	r.Header.Set("Accept", "application/json, text/event-stream")
	return h.serve(as, r)
}

func (m *toolMatrix) list(h *fixture, column int) map[string]bool {
	h.t.Helper()
	var got struct {
		Result struct {
			Tools []struct{ Name string }
		}
	}
	if r := m.rpc(h, column, "tools/list", "{}"); r.status != 200 || json.Unmarshal([]byte(r.body), &got) != nil {
		h.t.Fatalf("tools/list: %d %s", r.status, r.body)
	}
	names := map[string]bool{}
	for _, t := range got.Result.Tools {
		names[t.Name] = true
	}
	return names
}

// outcome calls a tool and says in one word what came of it.
func (m *toolMatrix) outcome(h *fixture, column int, name, args string, listed bool) string {
	h.t.Helper()
	args = strings.ReplaceAll(m.fill.Replace(args), "OWN", h.ids[fmt.Sprint(column)])
	r := m.rpc(h, column, "tools/call", `{"name":"`+name+`","arguments":`+args+`}`)
	var got struct {
		Error  *struct{ Message string }
		Result struct {
			IsError           bool
			Meta              struct{ Code string } `json:"_meta"`
			StructuredContent struct{ ID, Status string }
		}
	}
	if err := json.Unmarshal([]byte(r.body), &got); err != nil {
		h.t.Fatalf("%s: %d %s", name, r.status, r.body)
	}
	challenge := r.header.Get("WWW-Authenticate")
	status := got.Result.StructuredContent.Status
	switch refused := got.Error != nil; {
	case refused != (r.status != 200) && !strings.Contains(r.body, "unknown tool"):
		return fmt.Sprintf("%d and %s", r.status, r.body)
	case !listed && refused:
		return "-"
	case !listed:
		return "CALLED THOUGH HIDDEN"
	case r.status == 403 && strings.Contains(challenge, `error="insufficient_scope", scope="read `):
		return "step-up"
	case refused:
		return "LISTED AND " + got.Error.Message
	case got.Result.IsError:
		return "!" + got.Result.Meta.Code
	case asksOperator(status) != (len(h.codes) == 1):
		return fmt.Sprintf("%s with %d codes", status, len(h.codes))
	case asksOperator(status):
		return "code"
	}
	return m.became(h, got.Result.StructuredContent.ID, status)
}

// asksOperator reports whether the status of an answer says that a code was sent.
func asksOperator(status string) bool {
	return status == api.StatusPending || status == "upgrade_requested"
}

// became says what became of a mail that was submitted, or that the call is done.
func (m *toolMatrix) became(h *fixture, id, status string) string {
	h.t.Helper()
	switch status {
	case api.StatusHeld:
		return "held"
	case api.StatusScheduled:
		return "scheduled"
	case api.StatusQueued:
		h.next()
		var state mail.State
		h.deliverUntil(func() bool {
			sent, err := h.Queue.Mail(h.t.Context(), mail.ID(id))
			if err != nil {
				h.t.Fatal(err)
			}
			state = sent.State
			return state != mail.Ready && state != mail.Sending
		})
		return state.String()
	}
	return "ok"
}

// onlyReads reports whether a tool says so of itself.
func onlyReads(name string) bool {
	return slices.ContainsFunc(api.Operations.Operations(), func(op *api.Operation) bool {
		return op.Name == name && op.Tool != nil && op.Tool.ReadOnly
	})
}

// row calls a tool with every credential, each in a system of its own. Calls of a tool that is
// hidden or only reads change nothing and share one.
func (m *toolMatrix) row(
	t *testing.T, mode mail.Mode, name, args string, listed func(column int) bool,
) (cells []string) {
	t.Helper()
	h := m.modes[mode].clone(t)
	for n := range matrixKeys {
		if !listed(n) {
			cells = append(cells, m.outcome(h, n, name, args, false))
		}
	}
	for n := range matrixKeys {
		if listed(n) {
			if !onlyReads(name) {
				h = m.modes[mode].clone(t)
			}
			cells = slices.Insert(cells, n, m.outcome(h, n, name, args, true))
		}
	}
	return cells
}

func TestGoldenMatrixOfTools(t *testing.T) {
	const golden = "testdata/matrix.txt"
	m := newToolMatrix(t)
	var b strings.Builder
	b.WriteString(matrixLegend)
	fmt.Fprintf(&b, "\n%-24s %-13s %-12s", "", "", "")
	for _, c := range matrixKeys {
		fmt.Fprintf(&b, " %-12s", c.head)
	}
	b.WriteString("\n")
	done := map[string][]string{} // cells in gated_send
	for _, call := range matrixRows() {
		for _, mode := range mail.Modes {
			t.Run(call.tool+" "+call.how+" "+mode.String(), func(t *testing.T) {
				cells := m.row(t, mode, call.tool, call.args, func(n int) bool { return m.listed[n][call.tool] })
				fmt.Fprintf(&b, "%-24s %-13s %-12s", call.tool, call.how, mode)
				for _, c := range cells {
					fmt.Fprintf(&b, " %-12s", c)
				}
				b.WriteString("\n")
				if mode == mail.GatedSend {
					done[call.tool+" "+call.how] = cells
				}
			})
		}
	}
	got := strings.ReplaceAll(trimLines(b.String()), "\r", "")
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("go test ./httpd -run GoldenMatrix -update writes it; first read the difference:\n%s", diff)
	}
	m.earlierNames(t, done)
}

// trimLines takes the blanks off the ends of lines.
func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// earlierNames calls every tool by the names that it had: each cell is that of the tool.
func (m *toolMatrix) earlierNames(t *testing.T, done map[string][]string) {
	t.Helper()
	tried := 0
	for name, means := range mcpbridge.EarlierNames() {
		for action, tool := range means {
			for _, call := range matrixRows() {
				if call.tool != tool {
					continue
				}
				args, fits := argumentsOf(name, action, call.args)
				if !fits {
					continue
				}
				tried++
				t.Run(name+" "+action+" "+call.how, func(t *testing.T) {
					cells := m.row(t, mail.GatedSend, name, args, func(n int) bool {
						if m.listed[n][name] {
							t.Errorf("%s is listed", name)
						}
						return m.listed[n][tool]
					})
					if want := done[call.tool+" "+call.how]; !slices.Equal(cells, want) {
						t.Errorf("%s is answered\n%v, and %s\n%v", name, cells, tool, want)
					}
				})
			}
		}
	}
	if tried < 15 {
		t.Errorf("%d calls by earlier names", tried)
	}
}

// argumentsOf are those of a call by an earlier name that means the same. It fits where the
// name says which action of the tool is meant, and the call is that one.
func argumentsOf(name, action, args string) (string, bool) {
	given := map[string]any{}
	if json.Unmarshal([]byte(args), &given) != nil {
		return "", false
	}
	switch says := map[string]string{"request_upgrade": "request", "apply_upgrade": "apply", "report_spam": "report",
		"not_spam": "clear"}[name]; {
	case says != "" && given["action"] != says, name == "schedule_email" && given["send_at"] == nil:
		return "", false
	case says != "":
		delete(given, "action")
	case action != "":
		given["action"] = action
	}
	b, err := json.Marshal(given)
	return string(b), err == nil
}
