package relay

import (
	"bufio"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// authHop is a smarthost that does AUTH and records it.
type authHop struct {
	offer string          // text of the AUTH line; "" for none
	good  map[string]bool // tokens that are accepted
	ask   [2]string       // prompts of LOGIN
	mu    sync.Mutex
	sent  []string // decoded answers of the client
}

func (s *authHop) note(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sent = append(s.sent, what)
}

func (s *authHop) dial(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go s.serve(server)
		t.Cleanup(func() { client.Close() })
		return client, nil
	}
}

func (s *authHop) serve(c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	read := func() string { l, _ := r.ReadString('\n'); return strings.TrimRight(l, "\r\n") }
	decoded := func(l string) string { b, _ := base64.StdEncoding.DecodeString(l); return string(b) }
	say := func(l string) { fmt.Fprintf(c, "%s\r\n", l) }
	say("220 smart")
	for {
		line := read()
		f := append(strings.Fields(line), "", "", "")
		switch f[0] {
		case "":
			return
		case "EHLO":
			if s.offer != "" {
				say("250-smart")
				say("250 " + s.offer)
			} else {
				say("250 smart")
			}
		case "AUTH":
			s.note("AUTH " + f[1])
			ok := false
			switch f[1] {
			case "PLAIN":
				ok = decoded(f[2]) == "\x00user\x00pass word"
			case "LOGIN":
				say("334 " + base64.StdEncoding.EncodeToString([]byte(s.ask[0])))
				user := decoded(read())
				say("334 " + base64.StdEncoding.EncodeToString([]byte(s.ask[1])))
				ok = user == "user" && decoded(read()) == "pass word" && f[2] == ""
			case "XOAUTH2":
				ir := decoded(f[2])
				token := strings.TrimSuffix(strings.TrimPrefix(ir, "user=user\x01auth=Bearer "), "\x01\x01")
				s.note(token)
				if ok = s.good[token]; !ok {
					say("334 " + base64.StdEncoding.EncodeToString([]byte(`{"status":"401"}`)))
					if l := read(); l != "" {
						s.note("not empty: " + l)
					}
				}
			}
			if ok {
				say("235 2.7.0 welcome")
			} else {
				say("535 5.7.3 no")
			}
		case "DATA":
			say("354 go")
			for read() != "." {
			}
			say("250 2.0.0 ok")
		default:
			say("250 2.0.0 ok")
		}
	}
}

func TestAUTHByTheMethodsThatTheSmarthostOffers(t *testing.T) {
	for _, c := range []struct {
		offer  string
		method AuthMethod
		ask    [2]string
		want   string
		mech   string
	}{
		{"AUTH PLAIN LOGIN", "", [2]string{}, "delivered 250 2.0.0", "AUTH PLAIN"},
		{"auth login plain", "", [2]string{}, "delivered 250 2.0.0", "AUTH PLAIN"},
		{"AUTH CRAM-MD5 LOGIN", "", [2]string{"Username:", "Password:"}, "delivered 250 2.0.0", "AUTH LOGIN"},
		{"AUTH LOGIN", AuthLogin, [2]string{"User Name\x00", "Password\x00"}, "delivered 250 2.0.0", "AUTH LOGIN"},
		{"AUTH LOGIN", "", [2]string{"", ""}, "delivered 250 2.0.0", "AUTH LOGIN"},
		{"AUTH PLAIN LOGIN", AuthLogin, [2]string{"Username:", "Password:"}, "delivered 250 2.0.0", "AUTH LOGIN"},
		{"AUTH LOGIN", AuthPlain, [2]string{}, "temporary 0 4.7.0: the smarthost offers AUTH LOGIN; none of PLAIN", ""},
		{"AUTH CRAM-MD5 NTLM", "", [2]string{},
			"temporary 0 4.7.0: the smarthost offers AUTH CRAM-MD5 NTLM; none of PLAIN, LOGIN", ""},
		{"", "", [2]string{}, "temporary 0 4.7.0: the smarthost offers no AUTH; none of PLAIN, LOGIN", ""},
	} {
		s := &authHop{offer: c.offer, ask: c.ask}
		cl := newClient(t, Options{Smarthost: "127.0.0.1:25", Username: "user", Password: "pass word", Auth: c.method,
			Dialer: s.dial(t)})
		r := deliver(t, cl, newMail("b@x.test"))[0]
		want, text, _ := strings.Cut(c.want, ": ")
		if outcome(r) != want || text != "" && r.Message != text {
			t.Errorf("%q by %q: %s %s, want %s", c.offer, c.method, outcome(r), r.Message, c.want)
		}
		if got := strings.Join(s.sent, " "); got != c.mech {
			t.Errorf("%q by %q: sent %q, want %q", c.offer, c.method, got, c.mech)
		}
	}
}

// endpoint serves tokens t1, t2, …, each valid for an hour.
func endpoint(t *testing.T, n *atomic.Int32) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		if r.Form.Get("grant_type") != "client_credentials" || r.Form.Get("client_id") != "id" ||
			r.Form.Get("client_secret") != "secret" || r.Form.Get("scope") != "https://outlook.office365.com/.default" {
			t.Errorf("asked with %v", r.Form)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"access_token":"t%d","token_type":"Bearer","expires_in":3600}`, n.Add(1))
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func oauthOptions(url string) Options {
	return Options{Smarthost: "127.0.0.1:25", Username: "user",
		OAuth: OAuth{TokenURL: url, ClientID: "id", ClientSecret: "secret", Scope: "https://outlook.office365.com/.default"}}
}

func TestXOAUTH2KeepsItsTokenUntilShortlyBeforeItsEndAndAfterA535FetchesOneOnce(t *testing.T) {
	for _, c := range []struct {
		name, want, sent string
		good             map[string]bool
		fetched          int32
	}{
		{"a good token", "delivered 250 2.0.0", "AUTH XOAUTH2 t1", map[string]bool{"t1": true}, 1},
		{"a token that was withdrawn", "delivered 250 2.0.0", "AUTH XOAUTH2 t1 AUTH XOAUTH2 t2", map[string]bool{"t2": true},
			2},
		{"no good token", "temporary 535 5.7.3", "AUTH XOAUTH2 t1 AUTH XOAUTH2 t2", nil, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			var n atomic.Int32
			s := &authHop{offer: "AUTH LOGIN XOAUTH2", good: c.good}
			o := oauthOptions(endpoint(t, &n))
			// A token's life is counted by the real clock of the library.
			now := &clock{t: time.Now()}
			o.Dialer, o.Now, o.IdleConns = s.dial(t), now.now, 1
			cl := newClient(t, o)
			r := deliver(t, cl, newMail("b@x.test"))[0]
			if got := strings.Join(s.sent, " "); outcome(r) != c.want || got != c.sent || n.Load() != c.fetched {
				t.Errorf("%s, sent %q, fetched %d", outcome(r), got, n.Load())
			}
			if c.fetched != 1 {
				return
			}
			now.pass(58 * time.Minute)
			if tok, err := cl.tokens.get(t.Context()); tok != "t1" || err != nil {
				t.Errorf("after 58 minutes %q, %v", tok, err)
			}
			now.pass(time.Minute + time.Second)
			if tok, err := cl.tokens.get(t.Context()); tok != "t2" || err != nil {
				t.Errorf("shortly before the end %q, %v", tok, err)
			}
		})
	}
}

func TestAFaultyTokenEndpointDefersTheMailAndLeaksNoSecret(t *testing.T) {
	for name, handler := range map[string]http.HandlerFunc{
		"refuses":         func(w http.ResponseWriter, _ *http.Request) { http.Error(w, `{"error":"invalid_client"}`, 401) },
		"is no JSON":      func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("hello")) },
		"sends no token":  func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{}`)) },
		"sends a control": func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte(`{"access_token":"a\u0001b"}`)) },
		"sends too much": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"access_token":"a","x":"` + strings.Repeat("y", tokenBody) + `"}`))
		},
		"redirects": func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere", 307) },
		"sends a long one": func(w http.ResponseWriter, _ *http.Request) {
			w.Write([]byte(`{"access_token":"` + strings.Repeat("y", maxToken+1) + `"}`))
		},
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(handler)
			defer srv.Close()
			s := &authHop{offer: "AUTH XOAUTH2"}
			o := oauthOptions(srv.URL)
			o.Dialer = s.dial(t)
			r := deliver(t, newClient(t, o), newMail("b@x.test"))[0]
			if outcome(r) != "temporary 0 4.7.0" || strings.Contains(r.Message, "secret") || len(s.sent) != 0 {
				t.Errorf("%s %q, sent %q", outcome(r), r.Message, s.sent)
			}
		})
	}
}

func TestAuthSettingsThatCouldNotWorkSafelyAreRefused(t *testing.T) {
	good := oauthOptions("https://login.example.com/token")
	for name, edit := range map[string]func(*Options){
		"an unknown method":               func(o *Options) { o.Auth = "cram-md5" },
		"a token endpoint for PLAIN":      func(o *Options) { o.Auth = AuthPlain },
		"XOAUTH2 without an endpoint":     func(o *Options) { o.Auth, o.OAuth = AuthXOAuth2, OAuth{} },
		"plain http beyond loopback":      func(o *Options) { o.OAuth.TokenURL = "http://login.example.com/token" },
		"no URL":                          func(o *Options) { o.OAuth.TokenURL = "login" },
		"no secret":                       func(o *Options) { o.OAuth.ClientSecret = "" },
		"no user":                         func(o *Options) { o.Username = "" },
		"a user name that ends its field": func(o *Options) { o.Username = "a\x01auth=x" },
	} {
		o := good
		edit(&o)
		if _, err := New(quiet(o)); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	if _, err := New(quiet(good)); err != nil {
		t.Error(err)
	}
}
