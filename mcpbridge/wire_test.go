package mcpbridge

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/jsonrpc"

	"github.com/multimail/multimail/httpd/api"
)

// badMessages are what a client may send instead of a message, with the code
// of JSON-RPC 2.0, section 5.1, and the id that the answer must carry.
var badMessages = []struct {
	name, msg string
	code      int
	id        string
}{
	{"no JSON", `hello`, -32700, "null"},
	{"half a message", `{"jsonrpc":"2.0","id":7,"method":"tools/list"`, -32700, "null"},
	{"two messages", `{"jsonrpc":"2.0","id":7,"method":"ping"} {"jsonrpc":"2.0","id":8,"method":"ping"}`, -32700, "null"},
	{"not UTF-8", "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"\xff\"}", -32700, "null"},
	{"a batch", `[{"jsonrpc":"2.0","id":7,"method":"ping"}]`, -32600, "null"},
	{"a text", `"ping"`, -32600, "null"},
	{"null", `null`, -32600, "null"},
	{"no version", `{"id":7,"method":"ping"}`, -32600, "7"},
	{"another version", `{"jsonrpc":"1.0","id":7,"method":"ping"}`, -32600, "7"},
	{"no method", `{"jsonrpc":"2.0","id":7}`, -32600, "7"},
	{"an id that is an object", `{"jsonrpc":"2.0","id":{},"method":"ping"}`, -32600, "null"},
	{"a member twice", `{"jsonrpc":"2.0","id":7,"method":"ping","method":"tools/list"}`, -32600, "7"},
	{"an argument twice", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"send_email",` +
		`"arguments":{"to":["a"],"to":["b"]}}}`, -32600, "7"},
	{"an argument twice, once escaped", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"x",` +
		`"arguments":{"to":1,"\u0074o":2}}}`, -32600, "7"},
	{"deep nesting", `{"jsonrpc":"2.0","id":7,"method":"ping","params":` +
		strings.Repeat(`{"a":`, 100) + "1" + strings.Repeat("}", 100) + `}`, -32600, "7"},
	{"an id that is no whole number", `{"jsonrpc":"2.0","id":1.5,"method":"ping"}`, -32600, "1.5"},
	{"an id that a double does not hold", `{"jsonrpc":"2.0","id":9007199254740993,"method":"ping"}`, -32600,
		"9007199254740993"},
	{"a response with an error that is none", `{"jsonrpc":"2.0","id":7,"error":5}`, -32600, "7"},
	{"a request with an error that is none", `{"jsonrpc":"2.0","id":7,"method":"ping","error":5}`, -32600, "7"},
	{"a method in another case", `{"jsonrpc":"2.0","id":7,"Method":"ping"}`, -32600, "7"},
	{"a name of a tool in another case", `{"jsonrpc":"2.0","id":7,"method":"tools/call",` +
		`"params":{"Name":"send_email","arguments":{}}}`, -32602, "7"},
	{"an id with half a character", `{"jsonrpc":"2.0","id":"\ud800","method":"ping"}`, -32600, `"\ud800"`},
	{"an endless id", `{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 300) + `","method":"ping"}`, -32600, "null"},
	{"an endless name", `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"` + strings.Repeat("x", 300) + `":1}}`,
		-32600, "7"},
	{"an endless text", `{"jsonrpc":"2.0","id":7,"method":"resources/read","params":{"uri":"` +
		strings.Repeat("x", 9000) + `"}}`, -32600, "7"},
	{"an endless list", `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":[` +
		strings.Repeat("1,", 20000) + `1]}}`, -32600, "7"},
	{"an endless object", `{"jsonrpc":"2.0","id":7,"method":"ping","params":{"a":{` + many(20000) + `"z":1}}}`,
		-32600, "7"},
	{"a tool with an endless name", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"` +
		strings.Repeat("x", 300) + `"}}`, -32602, "7"},
	{"a tool call without a name", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"arguments":{}}}`,
		-32602, "7"},
	{"an unknown method", `{"jsonrpc":"2.0","id":7,"method":"tools/fly","params":{}}`, -32601, "7"},
	{"an unknown tool", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"fly","arguments":{}}}`,
		-32602, "7"},
	{"parameters that are no object", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":["send_email"]}`,
		-32602, "7"},
	{"a tool's name that is no text", `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":7}}`, -32602, "7"},
}

// many writes n members.
func many(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `"m%d":1,`, i)
	}
	return b.String()
}

// What the SDK says of its own types is no business of a client.
func TestProtocolErrorsAreShortAndOfOurOwnWords(t *testing.T) {
	for _, tt := range badMessages {
		fault := inspect([]byte(tt.msg))
		if fault == nil {
			continue // the SDK's to refuse
		}
		if len(fault.Message) > 200 || strings.Contains(fault.Message, "mcp.") || strings.Contains(fault.Message, "Go ") {
			t.Errorf("%s: %s", tt.name, fault.Message)
		}
		if n := len(errorAnswer([]byte(tt.msg), fault)); n > 1000 {
			t.Errorf("%s: an answer of %d octets", tt.name, n)
		}
	}
	mail := `{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"send_email","arguments":{"markdown":"` +
		strings.Repeat("x", 100000) + `"}}}`
	if fault := inspect([]byte(mail)); fault != nil {
		t.Errorf("a mail is refused: %s", fault.Message)
	}
}

// The SDK ends the connection at a message that it cannot decode.
func FuzzWhatPassesIsDecodedByTheSDK(f *testing.F) {
	for _, tt := range badMessages {
		if len(tt.msg) < 1000 {
			f.Add([]byte(tt.msg))
		}
	}
	for _, s := range []string{listTools, `{"jsonrpc":"2.0","id":"\ud83d\ude00","method":"ping"}`,
		`{"jsonrpc":"2.0","id":-0,"method":"ping"}`,
		`{"jsonrpc":"2.0","id":7,"result":{}}`, `{"jsonrpc":"2.0","id":7,"error":{"code":1,"message":"m"}}`, `{"jsonrp` +
			`c":"2.0","id":7,"result":null}`,
		` {"params":{"arguments":{"a":[1,{"b":null}]},"name":"x"},"method":"tools/call","id":1,"jsonrpc":"2.0"} `} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, msg []byte) {
		if inspect(msg) != nil {
			return
		}
		m, err := jsonrpc.DecodeMessage(msg)
		if err != nil {
			t.Fatalf("%q passes, and the SDK says %v", msg, err)
		}
		if r, ok := m.(*jsonrpc.Response); ok && r.Result == nil && r.Error == nil {
			t.Fatalf("%q is neither a request nor a response", msg)
		}
	})
}

// wireError is the answer to a bad message.
type wireError struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id"`
	Error   *struct {
		Code    int
		Message string
	}
}

func (e wireError) fits(code int, id string) bool {
	return e.Version == "2.0" && e.Error != nil && e.Error.Code == code && e.Error.Message != "" && string(e.ID) == id
}

func TestBadMessagesOverHTTPAreAnsweredWithTheirCode(t *testing.T) {
	f := newAPI(t)
	url := f.serve()
	for _, tt := range badMessages {
		resp, body := post(t, url, tt.msg, "Authorization", "Bearer mm_agent")
		var got wireError
		if err := json.Unmarshal([]byte(body), &got); err != nil || !got.fits(tt.code, tt.id) {
			t.Errorf("%s: %d %s; want code %d, id %s", tt.name, resp.StatusCode, body, tt.code, tt.id)
		}
		if resp.Header.Get("Content-Type") != "application/json" {
			t.Errorf("%s: %s", tt.name, resp.Header.Get("Content-Type"))
		}
	}
	if asked := f.asked(); len(asked) != 0 {
		t.Errorf("the API was asked %q", asked)
	}
}

func TestAClientThatAcceptsJSONOnlyIsServed(t *testing.T) {
	url := newAPI(t).serve()
	for _, accept := range []string{"application/json", "application/json;q=0.9", "Application/JSON", "*/*", ""} {
		req, err := http.NewRequest("POST", url, strings.NewReader(listTools))
		if err != nil {
			t.Fatal(err)
		}
		req.Header = http.Header{"Content-Type": {"application/json"}, "Authorization": {"Bearer mm_agent"}}
		if accept != "" {
			req.Header.Set("Accept", accept)
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "application/json" ||
			!strings.Contains(string(b), `"tools"`) {
			t.Errorf("Accept %q: %d %s", accept, resp.StatusCode, b)
		}
	}
}

// stdio is a bridge on two pipes.
type stdio struct {
	t   *testing.T
	in  *io.PipeWriter
	out *bufio.Scanner
}

func bridged(t *testing.T) *stdio {
	t.Helper()
	f := newAPI(t)
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	done := make(chan error, 1)
	go func() {
		done <- newBridge(t).Stdio(context.Background(), api.New(f.url, "mm_agent"), "", inR, outW)
		outW.Close()
	}()
	t.Cleanup(func() {
		inW.Close()
		go io.Copy(io.Discard, outR)
		if err := <-done; err != nil {
			t.Errorf("the bridge ended with %v", err)
		}
	})
	s := &stdio{t, inW, bufio.NewScanner(outR)}
	s.say(`{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},` +
		`"clientInfo":{"name":"x","version":"1"}}}`)
	s.hear()
	s.say(`{"jsonrpc":"2.0","method":"notifications/initialized"}`)
	return s
}

func (s *stdio) say(line string) {
	s.t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		s.t.Fatal(err)
	}
}

func (s *stdio) hear() (got wireError) {
	s.t.Helper()
	if !s.out.Scan() {
		s.t.Fatalf("the bridge said nothing: %v", s.out.Err())
	}
	if err := json.Unmarshal(s.out.Bytes(), &got); err != nil {
		s.t.Fatalf("%v in %s", err, s.out.Bytes())
	}
	return got
}

// One bad line must not cost an agent its tools.
func TestABadLineOnStdioIsAnsweredAndTheBridgeLivesOn(t *testing.T) {
	s := bridged(t)
	for _, tt := range badMessages {
		s.say(tt.msg)
		if got := s.hear(); !got.fits(tt.code, tt.id) {
			t.Errorf("%s: %+v %+v; want code %d, id %s", tt.name, got, got.Error, tt.code, tt.id)
		}
		s.say(`{"jsonrpc":"2.0","id":"after","method":"ping"}`)
		if got := s.hear(); got.Error != nil || string(got.ID) != `"after"` {
			t.Fatalf("after %s: %+v", tt.name, got)
		}
	}
	s.say("") // an empty line is nothing
	s.say("  \r")
	s.say(`{"jsonrpc":"2.0","id":"end","method":"ping"}` + "\r")
	if got := s.hear(); got.Error != nil || string(got.ID) != `"end"` {
		t.Errorf("%+v", got)
	}
}

func TestALineWithoutAnEndCostsOneAnswer(t *testing.T) {
	in := bufio.NewReaderSize(strings.NewReader(strings.Repeat("x", 1000)+"\nnext\nlast"), 16)
	for _, want := range []struct {
		line string
		long bool
	}{{"", true}, {"next\n", false}, {"last", false}} {
		line, long, _ := readLine(in, 100)
		if string(line) != want.line || long != want.long {
			t.Errorf("%q, %v; want %q, %v", line, long, want.line, want.long)
		}
	}
}
