package mcpbridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

// modernCall makes a request of the era without sessions, of a client that knows tasks or not.
func modernCall(t *testing.T, url, key, method, params string, tasks bool) (out struct {
	Result struct {
		ResultType, TaskID, Status, StatusMessage, CreatedAt string
		TTLMs                                                *int64
		PollIntervalMs                                       int64
		StructuredContent                                    json.RawMessage
		Capabilities                                         struct{ Extensions map[string]any }
		Result                                               struct {
			ResultType        string
			IsError           bool
			StructuredContent struct{ ID, Status string }
		}
	}
	Error struct {
		Code    int
		Message string
	}
}) {
	t.Helper()
	knows := ""
	if tasks {
		knows = `"extensions":{"io.modelcontextprotocol/tasks":{}}`
	}
	meta := `"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",` +
		`"io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},` +
		`"io.modelcontextprotocol/clientCapabilities":{` + knows + `}}`
	if params != "" {
		meta = "," + meta
	}
	headers := []string{"Authorization", "Bearer " + key, headerVersion, modernVersion, "Mcp-Method", method}
	if method == "tools/call" {
		headers = append(headers, "Mcp-Name", "send_email")
	}
	_, body := post(t, url, `{"jsonrpc":"2.0","id":1,"method":"`+method+`","params":{`+params+meta+`}}`, headers...)
	if err := json.Unmarshal([]byte(body), &out); err != nil {
		t.Fatal(err, body)
	}
	return out
}

const sendLetter = `"name":"send_email","arguments":` + letter

func TestAHeldMailIsATaskThatEndsWithTheDecision(t *testing.T) {
	f := newAPI(t)
	url := f.serve()
	f.on(sending, 202, `{"id":"01X","status":"pending_send_approval","thread_id":"01X"}`)
	mailIs := func(status string) {
		f.on("GET "+mails+"/01X", 200, `{"id":"01X","thread_id":"01X","status":"`+status+
			`","received_at":"2026-01-02T03:04:05Z"}`)
	}
	mailIs("pending_send_approval")

	d := modernCall(t, url, "mm_agent", "server/discover", "", true).Result
	if d.Capabilities.Extensions[extTasks] == nil {
		t.Errorf("not declared: %+v", d)
	}
	plain := modernCall(t, url, "mm_agent", "tools/call", sendLetter, false)
	if plain.Result.ResultType != "complete" || !strings.Contains(string(plain.Result.StructuredContent), "01X") {
		t.Errorf("to a client that knows no tasks: %+v", plain.Result)
	}
	begun := modernCall(t, url, "mm_agent", "tools/call", sendLetter, true).Result
	if begun.ResultType != "task" || begun.Status != "working" || begun.CreatedAt != "2026-01-02T03:04:05Z" ||
		begun.TTLMs != nil || begun.PollIntervalMs == 0 || strings.Contains(begun.TaskID, "01X") {
		t.Fatalf("%+v", begun)
	}
	if again := modernCall(t, url, "mm_agent", "tools/call", sendLetter, true).Result; again.TaskID == begun.TaskID {
		t.Error("two tasks have one id")
	}
	task := `"taskId":"` + begun.TaskID + `"`
	for status, want := range map[string]struct {
		status string
		failed bool
	}{
		"pending_send_approval": {"working", false}, "queued": {"completed", false}, "sent": {"completed", false},
		"rejected": {"completed", true}, "expired": {"completed", true}, "cancelled": {"cancelled", false},
	} {
		mailIs(status)
		got := modernCall(t, url, "mm_agent", methodGet, task, true).Result
		if got.ResultType != "complete" || got.Status != want.status || got.Result.IsError != want.failed {
			t.Errorf("%s: %+v", status, got)
		}
		said := got.Result.StructuredContent
		whole := got.Result.ResultType == "complete" && said.ID == "01X" && said.Status == status
		if want.status == "completed" && !whole {
			t.Errorf("%s: the answer of the call is %+v", status, said)
		}
	}
}

func TestATaskOpensNothingBeyondItsMailAndItsCredential(t *testing.T) {
	f := newAPI(t)
	f.keys["mm_other"] = api.Identity{Kind: "agent", Name: "bot", Scopes: agent.Scopes, Mailboxes: agent.Mailboxes,
		Possible: agent.Possible, Credential: "key:OTHER"}
	f.keys["mm_blind"] = api.Identity{Kind: "agent", Name: "bot", Scopes: []string{"send"}, Mailboxes: agent.Mailboxes,
		Possible: []string{"send"}, Credential: "key:BLIND"}
	url := f.serve()
	f.on(sending, 202, `{"id":"01X","status":"pending_send_approval","thread_id":"01X"}`)
	f.on("GET "+mails+"/01X", 200, `{"id":"01X","status":"pending_send_approval","received_at":"2026-01-02T03:04:05Z"}`)
	f.on("POST "+mails+"/01X/cancel", 200, `{"id":"01X","status":"cancelled"}`)
	task := modernCall(t, url, "mm_agent", "tools/call", sendLetter, true).Result.TaskID
	f.asked()

	for name, c := range map[string]struct{ key, method, params string }{
		"of another credential": {"mm_other", methodGet, `"taskId":"` + task + `"`},
		"cancelled by another":  {"mm_other", methodCancel, `"taskId":"` + task + `"`},
		"the id of a mail":      {"mm_agent", methodGet, `"taskId":"01X"`},
		"changed":               {"mm_agent", methodGet, `"taskId":"` + task[:len(task)-2] + `AA"`},
		"none":                  {"mm_agent", methodGet, ``},
		"an update":             {"mm_agent", methodUpdate, `"taskId":"` + task + `","inputResponses":{"approve":{}}`},
	} {
		got := modernCall(t, url, c.key, c.method, c.params, true)
		if got.Error.Code != -32602 || len(f.asked()) > 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := modernCall(t, url, "mm_agent", methodCancel, `"taskId":"`+task+`"`, true); got.Error.Code != 0 ||
		!strings.HasPrefix(strings.Join(f.asked(), " "), "mm_agent POST "+mails+"/01X/cancel") {
		t.Errorf("cancel: %+v", got)
	}
	// Who cannot read a mail could not ask what becomes of it.
	if got := modernCall(t, url, "mm_blind", "tools/call", sendLetter, true).Result; got.ResultType != "complete" {
		t.Errorf("without the scope read: %+v", got)
	}
}

func TestTasksOutliveTheProcessThatSealedThem(t *testing.T) {
	key := []byte(strings.Repeat("k", TaskKey))
	of := &session{who: agent}
	var bridges [3]*Bridge
	for i := range bridges {
		bridges[i] = newBridge(t)
	}
	for _, b := range bridges[:2] {
		if err := b.SealTasks(key); err != nil {
			t.Fatal(err)
		}
	}
	id := bridges[0].taskID(of, taskMail{box, "01X"})
	if m, ok := bridges[1].openTask(of, id); !ok || m != (taskMail{box, "01X"}) {
		t.Errorf("%+v %t", m, ok)
	}
	if _, ok := bridges[2].openTask(of, id); ok {
		t.Error("a bridge with another key opens it")
	}
	if bridges[0].SealTasks([]byte("short")) == nil {
		t.Error("a short key is taken")
	}
}
