package httpd

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// A request without a credential is answered before its body has come, and does
// not keep its connection while the body does not.
func TestABodyWithoutACredentialIsNotWaitedFor(t *testing.T) {
	for _, auth := range []string{"", "Authorization: Bearer mm_wrong\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			h := newFixture(t)
			l := newPipeListener()
			srv := h.s.server(h.s.Handler(), nil)
			done := make(chan error, 1)
			go func() { done <- srv.Serve(l) }()
			c := l.dial()
			start := time.Now()
			fmt.Fprintf(c, "POST /v1/send HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: "+
				"1000\r\n%s\r\n", auth)
			r := bufio.NewReader(c)
			resp, err := http.ReadResponse(r, nil)
			if err != nil || resp.StatusCode != http.StatusUnauthorized {
				t.Fatalf("%+v, %v", resp, err)
			}
			if d := time.Since(start); d > 0 {
				t.Errorf("answered after %s", d)
			}
			io.Copy(io.Discard, resp.Body)
			if _, err := r.ReadByte(); err == nil {
				t.Error("an octet came out of nowhere")
			}
			if d := time.Since(start); d > unknownIdle {
				t.Errorf("the connection was kept for %s", d)
			}
			srv.Close()
			if err := <-done; !errors.Is(err, http.ErrServerClosed) {
				t.Error(err)
			}
		})
	}
}
