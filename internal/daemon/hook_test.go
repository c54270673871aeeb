package daemon

import (
	"context"
	"errors"
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

// A webhook that an agent has by a code is the agent's: it is told what the agent may see, and
// what the agent may not see is refused before anybody is asked.
func TestAWebhookByACodeIsTheAgentsOwn(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	d, err := NewDev(DevOptions{Data: data, FreePorts: true, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	err = runOnce(t, d, func() error {
		info, _, err := ReadDev(data)
		if err != nil {
			return err
		}
		c := api.New(info.HTTP, info.AgentKey)
		for _, event := range []string{"oversight.pending", "policy.changed"} {
			q := api.NewWebhook{URL: "https://hooks.invalid.test/", Events: []string{event}}
			var pending *api.PendingApproval
			if _, err := api.Call(t.Context(), c, api.CreateWebhook, q); err == nil || errors.As(err, &pending) {
				return fmt.Errorf("an agent that asks for %s: %v", event, err)
			}
		}
		q := api.NewWebhook{URL: "https://hooks.invalid.test/", Events: []string{"message.received"}}
		var pending *api.PendingApproval
		if _, err := api.Call(t.Context(), c, api.CreateWebhook, q); !errors.As(err, &pending) {
			return fmt.Errorf("it does not wait: %w", err)
		}
		ctx, stop := context.WithTimeout(t.Context(), time.Minute)
		defer stop()
		if q.ApprovalCode, err = mailed(ctx, info.Captured, `^Code: ([A-Z0-9-]+)`); err != nil {
			return err
		}
		w, err := api.Call(t.Context(), c, api.CreateWebhook, q)
		if err != nil || w.Owner != "agent:"+info.Username || w.Secret == "" {
			return fmt.Errorf("%+v %w", w, err)
		}
		_, err = api.Call(t.Context(), api.New(info.HTTP, info.AdminKey), api.DeleteWebhook, api.WebhookRef{ID: w.ID})
		return err
	})
	if err != nil {
		t.Error(err)
	}
}
