package hook

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

func TestATargetThatHangsHasFifteenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(resolver{}, public, targets(t, "127.0.0.1"))
		c.http.Transport = transport(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, r.Context().Err()
		})
		start := time.Now()
		got := c.send(t.Context(), jobTo("http://127.0.0.1/"))
		if took := time.Since(start); got.problem != ProblemTimeout || took != 15*time.Second {
			t.Errorf("%+v after %s", got, took)
		}
	})
}
