//go:build fixtures

package mcpbridge

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"testing"

	"github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/multimail/multimail/httpd/api"
)

// addFixtures adds what the official conformance suite of MCP calls and reads. It stands in
// the SDK's own example server, whose source the end-to-end tests give to the compiler.
var addFixtures func(ctx context.Context, s *mcp.Server)

// TestServeTheFixturesOfTheSuite serves them behind the door of this package, with the
// middleware of every server there, until its input ends. The end-to-end tests start it.
func TestServeTheFixturesOfTheSuite(t *testing.T) {
	b := newBridge(t)
	who := api.Identity{Kind: "agent", Name: "suite", Credential: "key:SUITE"}
	var s *mcp.Server
	s = mcp.NewServer(&mcp.Implementation{Name: "fixtures", Version: "1"}, &mcp.ServerOptions{SetCacheable: private,
		CompletionHandler: func(context.Context, *mcp.CompleteRequest) (*mcp.CompleteResult, error) {
			return &mcp.CompleteResult{Completion: mcp.CompletionResultDetails{Values: []string{}}}, nil
		},
		SubscribeHandler: func(_ context.Context, q *mcp.SubscribeRequest) error {
			b.watches.pass(watched{q.Session, q.Params.URI}, 1)
			return nil
		},
		UnsubscribeHandler: func(_ context.Context, q *mcp.UnsubscribeRequest) error {
			b.watches.pass(watched{q.Session, q.Params.URI}, -1)
			return nil
		}})
	addFixtures(t.Context(), s)
	b.addMiddleware(s)
	b.server(&session{who: who})
	for tools := range b.servers {
		b.servers[tools] = s // in place of the one with our tools
	}

	keys := &identities{keys: map[string]api.Identity{"fixtures": who}}
	srv := &http.Server{Handler: b.Handler(keys.dial, 1<<20)}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	fmt.Printf("serving http://%s\n", l.Addr())
	_, _ = io.Copy(io.Discard, os.Stdin)
	_ = srv.Close()
}
