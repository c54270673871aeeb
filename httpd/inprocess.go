package httpd

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
)

// InProcess returns a transport whose requests go straight to the handlers of
// this server. What they submit bears the name of that door; nothing that
// comes over a network can say so of itself. Keys are checked as ever.
func (s *Server) InProcess(door string) http.RoundTripper { return inProcess{s, door} }

// origin is where a request came from that is answered by others of this
// process, so that the log names its client and not nobody.
type origin struct {
	addr string
	tls  *tls.ConnectionState
}

type originKey struct{}

type inProcess struct {
	s    *Server
	door string
}

// RoundTrip implements http.RoundTripper.
func (t inProcess) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := context.WithValue(req.Context(), doorKey{}, t.door)
	in := req.Clone(ctx)
	if from, ok := ctx.Value(originKey{}).(origin); ok {
		in.RemoteAddr, in.TLS = from.addr, from.tls
	}
	in.RequestURI = req.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	var out buffer
	t.s.handler.ServeHTTP(&out, in)
	in.Body.Close()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	out.WriteHeader(http.StatusOK)
	return &http.Response{
		Status:     fmt.Sprintf("%d %s", out.status, http.StatusText(out.status)),
		StatusCode: out.status, Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.Header(), Body: io.NopCloser(&out.body), ContentLength: int64(out.body.Len()), Request: req,
	}, nil
}
