package mcpbridge

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"
	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// The Tasks extension of MCP (io.modelcontextprotocol/tasks, version 2026-07-28): to a
// client that knows it, a mail that waits for a human is a task that ends with the
// decision. A task is the mail: its id holds which one, sealed for the credential that
// sent it, so that nothing is stored beside the queue, and asking and cancelling are
// the operations of the mail with the rights of whoever asks.
const (
	extTasks     = "io.modelcontextprotocol/tasks"
	metaClient   = "io.modelcontextprotocol/clientCapabilities"
	methodGet    = "tasks/get"
	methodUpdate = "tasks/update"
	methodCancel = "tasks/cancel"
	taskPoll     = 5 * time.Second // what a client is told to wait between questions
)

// TaskKey is the length of a key for the ids of tasks, in octets.
const TaskKey = 32

// SealTasks sets the key that the ids of tasks are sealed with. Bridges with one key know
// each other's tasks; without it they end with the process. It is called before the first
// request.
func (b *Bridge) SealTasks(key []byte) error {
	block, err := aes.NewCipher(key)
	if err != nil {
		return err
	}
	b.tasks, err = cipher.NewGCMWithRandomNonce(block)
	return err
}

// newTaskSeal returns a seal of this process alone.
func newTaskSeal(b *Bridge) error {
	key := make([]byte, TaskKey)
	rand.Read(key) // never fails: the runtime ends the process first
	return b.SealTasks(key)
}

// taskMail is the mail that a task stands for.
type taskMail struct{ mailbox, id string }

// taskID returns the id of a task. Only the credential that it is made for can open it, and
// two of them never look alike.
func (b *Bridge) taskID(of *session, m taskMail) string {
	sealed := b.tasks.Seal(nil, nil, []byte(m.mailbox+"\x00"+m.id), []byte(of.who.Credential))
	return base64.RawURLEncoding.EncodeToString(sealed)
}

// openTask returns the mail of a task; ok is false for whatever is no task of a credential.
func (b *Bridge) openTask(of *session, task string) (m taskMail, ok bool) {
	sealed, err := base64.RawURLEncoding.DecodeString(task)
	if err != nil {
		return m, false
	}
	plain, err := b.tasks.Open(nil, nil, sealed, []byte(of.who.Credential))
	if err != nil {
		return m, false
	}
	m.mailbox, m.id, ok = strings.Cut(string(plain), "\x00")
	return m, ok
}

// taskParams are those of all three methods.
type taskParams struct {
	mcp.ParamsBase
	TaskID string `json:"taskId"`
}

// taskState is what a client learns of a task. Times are RFC 3339 in UTC; ttlMs is null,
// since a task can be asked for as long as its mail is there.
type taskState struct {
	mcp.ResultBase
	ResultType     string `json:"resultType"`
	TaskID         string `json:"taskId"`
	Status         string `json:"status"`
	StatusMessage  string `json:"statusMessage,omitempty"`
	CreatedAt      string `json:"createdAt"`
	LastUpdatedAt  string `json:"lastUpdatedAt"`
	TTL            *int64 `json:"ttlMs"`
	PollIntervalMs int64  `json:"pollIntervalMs,omitempty"`
	Result         any    `json:"result,omitempty"` // of the call, once it is completed
}

// acknowledged says that a cancellation was taken.
type acknowledged struct {
	mcp.ResultBase
	ResultType string `json:"resultType"`
}

// What a task says while it runs.
const taskWaits = "The mail waits for a human to approve it. It has not been sent yet; do not send it again."

// newState returns a task that is not at its end.
func newState(task string, e api.Email) *taskState {
	at := e.ReceivedAt.UTC().Format(time.RFC3339)
	return &taskState{ResultType: "complete", TaskID: task, Status: "working", StatusMessage: taskWaits, CreatedAt: at,
		LastUpdatedAt: at, PollIntervalMs: taskPoll.Milliseconds()}
}

// heldKey is where a call finds the taskMail to fill, if anybody asks for it.
type heldKey struct{}

// serveTasks answers the methods of the extension, and calls whose mail is held with a task
// where the client knows tasks and may ask what becomes of the mail.
func (b *Bridge) serveTasks(next mcp.MethodHandler) mcp.MethodHandler {
	return func(ctx context.Context, method string, r mcp.Request) (mcp.Result, error) {
		switch method {
		case "tools/call":
			return b.callAsTask(ctx, next, method, r)
		case methodGet, methodUpdate, methodCancel:
		default:
			return next(ctx, method, r)
		}
		of, err := sessionOf(ctx, r.GetExtra())
		if err != nil {
			return nil, err
		}
		p, _ := r.GetParams().(*taskParams)
		if p == nil {
			return nil, fault(jsonrpc.CodeInvalidParams, "taskId is missing")
		}
		m, ok := b.openTask(of, p.TaskID)
		if !ok {
			return nil, noTask()
		}
		ctx, stop := of.bind(ctx, r.GetExtra(), p.GetMeta())
		defer stop()
		switch method {
		case methodCancel:
			_, err := api.Call(ctx, of.c, api.CancelMessage, m.ref())
			return &acknowledged{ResultType: "complete"}, taskError(err)
		case methodUpdate:
			return nil, fault(jsonrpc.CodeInvalidParams, "this task takes no input: a human decides about the mail")
		}
		return taskOf(ctx, of, p.TaskID, m)
	}
}

func noTask() error { return fault(jsonrpc.CodeInvalidParams, "this credential has no such task") }

// ref names the mail.
func (m taskMail) ref() api.EmailRef {
	return api.EmailRef{MailboxRef: api.MailboxRef{Mailbox: m.mailbox}, Email: m.id}
}

// callAsTask calls a tool. A call that a client made without sessions says what it knows.
func (b *Bridge) callAsTask(
	ctx context.Context, next mcp.MethodHandler, method string, r mcp.Request,
) (mcp.Result, error) {
	of, err := sessionOf(ctx, r.GetExtra())
	if err != nil || !knowsTasks(r.GetParams().GetMeta()) || !api.ReadEmail.ToolAllows(of.who.Has) {
		return next(ctx, method, r)
	}
	var held taskMail
	out, err := next(context.WithValue(ctx, heldKey{}, &held), method, r)
	if err != nil || held.id == "" {
		return out, err
	}
	ctx, stop := of.bind(ctx, r.GetExtra(), nil)
	defer stop()
	e, err := api.Call(ctx, of.c, api.ReadEmail, api.EmailRequest{EmailRef: held.ref()})
	if err != nil { // the mail is held all the same, and its receipt says so
		return out, nil
	}
	state := newState(b.taskID(of, held), e)
	state.ResultType = "task"
	return state, nil
}

// knowsTasks reports whether a client says that it knows tasks.
func knowsTasks(meta map[string]any) bool {
	client, _ := meta[metaClient].(map[string]any)
	extensions, _ := client["extensions"].(map[string]any)
	_, ok := extensions[extTasks].(map[string]any)
	return ok
}

// taskOf asks what became of a mail.
func taskOf(ctx context.Context, of *session, task string, m taskMail) (*taskState, error) {
	e, err := api.Call(ctx, of.c, api.ReadEmail, api.EmailRequest{EmailRef: m.ref()})
	if err != nil {
		return nil, taskError(err)
	}
	state := newState(task, e)
	switch e.Status {
	case api.StatusHeld:
		return state, nil
	case api.StatusCancelled:
		state.Status, state.StatusMessage = "cancelled", "The mail was withdrawn. It was not sent."
	default:
		state.Status, state.StatusMessage = "completed", ""
		state.Result, err = decided(e)
	}
	state.PollIntervalMs = 0
	return state, err
}

// ended is the answer of a call that was a task. The SDK sets the kind of those that it
// sends itself alone.
type ended struct {
	ResultType string        `json:"resultType"`
	Content    []mcp.Content `json:"content"`
	Data       any           `json:"structuredContent"`
	IsError    bool          `json:"isError,omitempty"`
}

// decided is the answer of the call whose mail was decided about.
func decided(e api.Email) (*ended, error) {
	a := &Answer{Data: api.Receipt{ID: e.ID, Status: e.Status, ThreadID: e.ThreadID}}
	failed := true
	switch e.Status {
	case api.StatusRejected:
		a.Notes = []string{"An approver rejected the mail. It was not sent."}
	case api.StatusExpired:
		a.Notes = []string{"Nobody decided about the mail in time. It was not sent."}
	case api.StatusErased:
		a.Notes = []string{"The mail was erased."}
	default:
		failed = false
		a.Notes = []string{"An approver released the mail. read_email says whether it was delivered."}
	}
	r, err := a.result()
	if err != nil {
		return nil, err
	}
	return &ended{"complete", r.Content, r.StructuredContent, failed}, nil
}

// taskError puts an error of the API into words.
func taskError(err error) error {
	switch {
	case err == nil:
		return nil
	case gone(err):
		return noTask()
	}
	return fault(jsonrpc.CodeInvalidRequest, "%s", explain(err))
}

// addTasks registers the methods of the extension; serveTasks answers them.
func (b *Bridge) addTasks(s *mcp.Server) {
	for _, method := range []string{methodGet, methodUpdate, methodCancel} {
		_ = mcp.AddReceivingCustomMethod(s, method, // which fails for methods of the standard alone
			func(context.Context, *mcp.ServerSession, *taskParams) (*acknowledged, error) { return nil, noTask() })
	}
}
