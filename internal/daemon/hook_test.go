package daemon

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/httpd/api"
)

// mailed waits for a mail with a text, and returns the part of it in brackets.
func mailed(ctx context.Context, captured, text string) (string, error) {
	pattern := regexp.MustCompile(`(?m)` + text)
	for ctx.Err() == nil {
		files, err := filepath.Glob(filepath.Join(captured, "*.eml"))
		if err != nil {
			return "", err
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				return "", err
			}
			if m := pattern.FindSubmatch(b); m != nil {
				return string(m[1]), nil
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(10 * time.Millisecond):
		}
	}
	return "", ctx.Err()
}

func TestTheOperatorIsMailedThatAWebhookIsDisabled(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d, err := NewDev(DevOptions{Data: data, FreePorts: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	gone := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(410) }))
	defer gone.Close()
	err = runOnce(t, d, func() error {
		info, _, err := ReadDev(data)
		if err != nil {
			return err
		}
		c := api.New(info.HTTP, info.AdminKey)
		w, err := api.Call(t.Context(), c, api.CreateWebhook, api.NewWebhook{URL: gone.URL + "/a-secret",
			Events: []string{"policy.changed"}})
		if err != nil {
			return err
		}
		freeze := api.ScopeRequest{Scope: "agent:demo", Reason: "trial"}
		if _, err := api.Call(t.Context(), c, api.StartFreeze, freeze); err != nil {
			return err
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		all, err := mailed(ctx, info.Captured, `(?s)(^.*^Subject: Webhook disabled: 127\.0\.0\.1:.*^Webhook: .*)`)
		if err == nil && (!strings.Contains(all, w.ID) || strings.Contains(all, "a-secret")) {
			err = fmt.Errorf("the mail is\n%s", all)
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
