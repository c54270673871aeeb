package signin

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestAPersonSignsInOnceAndTheTokensAreKept(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	k := w.keeper(file, nil)
	if _, err := k.Token(); !errors.Is(err, ErrNobody) {
		t.Errorf("before the sign-in: %v", err)
	}
	if err := k.SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.browsers.Wait()
	form := w.asked[0]
	if form.Get("code_verifier") == "" || form.Get("resource") != w.srv.URL+"/v1" || form.Get("client_id") != "client-1" ||
		!strings.HasPrefix(form.Get("redirect_uri"), "http://127.0.0.1:") {
		t.Errorf("the code was redeemed with %v", form)
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	for _, k := range []*Keeper{k, w.keeper(file, nil)} { // the same process, and a later one
		resp, err := (&http.Client{Transport: k.Transport()}).Get(w.srv.URL + "/v1/whoami")
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatal(resp, err)
		}
		resp.Body.Close()
	}
	if w.shown != 1 || len(w.asked) != 1 || !strings.Contains(w.said[0], "close this page") {
		t.Errorf("%d pages, %d tokens, %q", w.shown, len(w.asked), w.said)
	}
}

// A registration is kept, so that the next sign-in needs none, for as long as the server knows it.
func TestASignInIsOfTheClientThatRegisteredBefore(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	again := func(name, client string, registered, probed int) {
		t.Helper()
		if err := w.keeper(file, nil).SignIn(t.Context()); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		form := w.asked[len(w.asked)-1]
		if form.Get("client_id") != client || w.registered != registered || len(w.probed) != probed {
			t.Errorf("%s: %s signs in, %d are registered, %d requests were tried", name, form.Get("client_id"), w.registered,
				len(w.probed))
		}
	}
	again("the first", "client-1", 1, 0)
	again("the second", "client-1", 1, 1)
	if q := w.probed[0]; q.Get("client_id") != "client-1" || q.Get("redirect_uri") == "" {
		t.Errorf("%v was tried", q)
	}
	w.forgotten = true
	again("forgotten", "client-2", 2, 2)
	w.forgotten = false
	again("the next", "client-2", 2, 3)
	w.change(file, func(k *kept) { k.Resource = "https://other.test/v1" })
	again("of another server", "client-3", 3, 3)
	w.browsers.Wait()
	if w.shown != 5 {
		t.Errorf("a person was asked %d times", w.shown)
	}
}

// A refresh token that is used twice ends everything, so those who share the file take turns.
func TestThoseWhoShareAFileRefreshOnce(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	if err := w.keeper(file, nil).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(5 * time.Minute)
	var all sync.WaitGroup
	for range 8 {
		k := w.keeper(file, nil)
		all.Go(func() {
			if got, err := k.Token(); err != nil || got.AccessToken != "access-2" {
				t.Errorf("%v %v", got, err)
			}
		})
	}
	all.Wait()
	if len(w.asked) != 2 || w.asked[1].Get("refresh_token") != "refresh-1" {
		t.Errorf("the token endpoint was asked %v", w.asked)
	}
	b, err := os.ReadFile(file)
	if err != nil || !strings.Contains(string(b), `"refresh-2"`) {
		t.Errorf("%s %v", b, err)
	}
	if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
}

// change rewrites the file.
func (w *world) change(file string, f func(*kept)) {
	w.t.Helper()
	b, err := os.ReadFile(file)
	var k kept
	if err == nil {
		err = json.Unmarshal(b, &k)
	}
	f(&k)
	if b, err2 := json.Marshal(k); err != nil || err2 != nil || os.WriteFile(file, b, 0o600) != nil {
		w.t.Fatal(err, err2)
	}
}

func TestARefusedRefreshAsksForASignInAndAFailedOneDoesNot(t *testing.T) {
	for name, c := range map[string]struct {
		status int
		code   string
		over   bool
	}{
		"revoked":        {400, "invalid_grant", true},
		"no such client": {401, "invalid_client", true},
		"not now":        {503, "temporarily_unavailable", false},
		"too fast":       {429, "temporarily_unavailable", false},
		"broken":         {500, "server_error", false},
	} {
		w := newWorld(t)
		file := w.file()
		if err := w.keeper(file, nil).SignIn(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(time.Hour)
		w.refusal, w.code = c.status, c.code
		k := w.keeper(file, nil)
		if got, err := k.Token(); got != nil || err == nil || errors.Is(err, ErrOver) != c.over {
			t.Errorf("%s: %v %v", name, got, err)
		}
		w.refusal = 0
		if got, err := k.Token(); err != nil || got.AccessToken != "access-2" { // the file still has it
			t.Errorf("%s, later: %v %v", name, got, err)
		}
	}
}

func TestAFileThatIsNotGoodBringsNoToken(t *testing.T) {
	w := newWorld(t)
	file := w.file()
	if err := w.keeper(file, nil).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := w.keeper(file, nil).Token(); err != nil {
		t.Fatal(err)
	}
	w.change(file, func(k *kept) { k.Resource = "https://other.test/v1" })
	if got, err := w.keeper(file, nil).Token(); !errors.Is(err, ErrNobody) {
		t.Errorf("of another server: %v %v", got, err)
	}
	w.change(file, func(k *kept) { k.Resource, k.Refresh, k.Expires = w.srv.URL+"/v1", "", w.now })
	if got, err := w.keeper(file, nil).Token(); !errors.Is(err, ErrOver) {
		t.Errorf("over: %v %v", got, err)
	}
	if err := os.Chmod(file, 0o644); err != nil {
		t.Fatal(err)
	}
	if got, err := w.keeper(file, nil).Token(); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("open to others: %v %v", got, err)
	}
	if err := os.WriteFile(file, []byte("{"), 0o600); err != nil || os.Chmod(file, 0o600) != nil {
		t.Fatal(err)
	}
	if got, err := w.keeper(file, nil).Token(); !errors.Is(err, ErrNobody) {
		t.Errorf("cut short: %v %v", got, err)
	}
}

func TestTokensTravelOnlyWhereNobodyReadsAlong(t *testing.T) {
	for base, good := range map[string]bool{
		"https://mail.example.com": true, "https://mail.example.com/": true, "http://127.0.0.1:8025": true,
		"http://localhost:8025": true, "http://[::1]:8025": true,
		"http://mail.example.com": false, "http://127.0.0.1.evil.test": false, "http://localhost.evil.test": false,
		"mail.example.com": false, "https://user@mail.example.com": false, "https://mail.example.com/mail": false,
		"https://mail.example.com/?x": false, "https://": false, "": false, "ftp://127.0.0.1": false,
	} {
		_, err := New(Options{Base: base, File: "/f", Show: func(string) {}, Now: time.Now})
		if good != (err == nil) || !good && !errors.Is(err, ErrAddress) {
			t.Errorf("%q: %v", base, err)
		}
	}
	for _, name := range []string{"token_endpoint", "registration_endpoint", "authorization_endpoint"} {
		w := newWorld(t)
		w.metadata[name] = "http://mail.example.com/x"
		show := func(page string) { t.Errorf("%s: a person is sent to %s", name, page) }
		if name == "token_endpoint" {
			show = nil
		}
		file := w.file()
		if err := w.keeper(file, show).SignIn(t.Context()); err == nil {
			t.Errorf("%s: signed in", name)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: something is kept", name)
		}
	}
}

func TestNothingIsAskedWhereOthersReadAlong(t *testing.T) {
	w := newWorld(t)
	k := w.keeper(w.file(), func(page string) { t.Errorf("a person is sent to %s", page) })
	if resp, err := k.http.Get("http://mail.example.com/token"); !errors.Is(err, ErrAddress) {
		t.Errorf("%v %v", resp, err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, page := range []string{"http://mail.example.com/?state=x", "file:///etc/passwd?state=x", "calc.exe"} {
		if got, err := k.browse(t.Context(), l, page); !errors.Is(err, ErrAddress) {
			t.Errorf("%s: %v %v", page, got, err)
		}
	}
}

func TestAnAnswerThatIsNotOfThisSignInBringsNothing(t *testing.T) {
	for name, answer := range map[string]url.Values{
		"of another issuer": {"iss": {"https://other.test"}},
		"of no issuer":      {"iss": {""}},
		"refused":           {"code": {""}, "error": {"access_denied"}},
	} {
		w := newWorld(t)
		w.answer = answer
		file := w.file()
		if err := w.keeper(file, nil).SignIn(t.Context()); err == nil || len(w.asked) > 0 {
			t.Errorf("%s: %v, the token endpoint was asked %v", name, err, w.asked)
		}
		if _, err := os.Stat(file); err == nil {
			t.Errorf("%s: something is kept", name)
		}
	}
}

// Every program on the machine, and every page in the browser, can ask the port.
func TestWhatOthersAskThePortChangesNothing(t *testing.T) {
	w := newWorld(t)
	var statuses []int
	show := func(page string) {
		u, err := url.Parse(page)
		if err != nil {
			t.Error(err)
			return
		}
		to, state := u.Query().Get("redirect_uri"), url.QueryEscape(u.Query().Get("state"))
		w.browsers.Go(func() {
			for _, bad := range []string{to + "?code=x&state=guess", to + "?code=x", to + "?state=" + state,
				to + "?code=x&code=y&state=" + state, to + "?code=x&error=y&state=" + state,
				to + "/more?code=x&state=" + state,
				strings.Replace(to, "127.0.0.1", "localhost", 1) + "?code=x&state=" + state} {
				statuses = append(statuses, w.open(bad))
			}
			w.person(page)
		})
	}
	if err := w.keeper(w.file(), show).SignIn(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.browsers.Wait()
	if len(statuses) != 7 || w.asked[0].Get("code") != "the code" {
		t.Errorf("%v, the code was redeemed with %v", statuses, w.asked)
	}
	for i, s := range statuses {
		if s != http.StatusBadRequest {
			t.Errorf("request %d: %d", i, s)
		}
	}
}

func TestASignInEndsWithItsContext(t *testing.T) {
	w := newWorld(t)
	ctx, stop := context.WithCancel(t.Context())
	err := w.keeper(w.file(), func(string) { stop() }).SignIn(ctx)
	if !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
}
