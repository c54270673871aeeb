//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"
	"github.com/modelcontextprotocol/go-sdk/mcp"
	"github.com/modelcontextprotocol/go-sdk/oauthex"

	"github.com/multimail/multimail/internal/mailtest"
)

const (
	entraHost = "login.microsoftonline.com"
	entraBase = "https://" + entraHost + "/" + entraTenant
)

// entra stands in for Microsoft Entra, with what its metadata are reported to lack: PKCE is not
// announced though it works, and there is no registration, no client document and no iss in
// answers. Everybody who comes is one person.
type entra struct {
	t     *testing.T
	key   *rsa.PrivateKey
	roles []string
	proxy string // of HTTPS, which leads everybody there
	cert  string // file of its certificate
	roots *x509.CertPool

	said  *lockedBuffer // everything that it was told
	mu    sync.Mutex
	began map[string]url.Values // code -> authorization request
}

func newEntra(t *testing.T, roles ...string) *entra {
	t.Helper()
	e := &entra{t: t, roles: roles, began: map[string]url.Values{}, said: &lockedBuffer{}}
	var err error
	if e.key, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /"+entraTenant+"/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter,
		_ *http.Request) {
		answerJSON(w, map[string]any{"issuer": entraBase + "/v2.0", "jwks_uri": entraBase + "/discovery/v2.0/keys",
			"authorization_endpoint": entraBase + "/oauth2/v2.0/authorize", "token_endpoint": entraBase + "/oauth2/v2.0/token",
			"response_types_supported": []string{"code", "id_token"}, "subject_types_supported": []string{"pairwise"},
			"id_token_signing_alg_values_supported": []string{"RS256"}})
	})
	mux.HandleFunc("GET /"+entraTenant+"/discovery/v2.0/keys", func(w http.ResponseWriter, _ *http.Request) {
		answerJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: e.key.Public(), KeyID: "k", Use: "sig",
			Algorithm: "RS256"}}})
	})
	mux.HandleFunc("GET /"+entraTenant+"/oauth2/v2.0/authorize", e.authorize)
	mux.HandleFunc("POST /"+entraTenant+"/oauth2/v2.0/token", e.token)
	dir := t.TempDir()
	mailtest.NewCA(t).Files(dir, entraHost)
	e.cert = filepath.Join(dir, "cert.pem")
	pair, err := tls.LoadX509KeyPair(e.cert, filepath.Join(dir, "key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		_, _ = e.said.Write(b)
		mux.ServeHTTP(w, r)
	}))
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	e.roots = x509.NewCertPool()
	e.roots.AddCert(pair.Leaf)
	e.proxy = tunnel(t, srv.Listener.Addr().String())
	return e
}

func answerJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(v)
}

// tunnel is a proxy whose every tunnel leads to one address.
func tunnel(t *testing.T, to string) string {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodConnect || r.Host != entraHost+":443" {
			http.Error(w, "not there", http.StatusBadGateway)
			return
		}
		up, err := net.Dial("tcp", to)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		down, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			up.Close()
			return
		}
		io.WriteString(down, "HTTP/1.1 200 Connection established\r\n\r\n")
		go func() { io.Copy(up, down); up.Close() }()
		io.Copy(down, up)
		down.Close()
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func (e *entra) authorize(w http.ResponseWriter, r *http.Request) {
	q, code := r.URL.Query(), rand.Text()
	e.mu.Lock()
	e.began[code] = q
	e.mu.Unlock()
	http.Redirect(w, r, q.Get("redirect_uri")+"?"+url.Values{"code": {code}, "state": {q.Get("state")},
		"session_state": {rand.Text()}}.Encode(), http.StatusFound)
}

func (e *entra) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	e.mu.Lock()
	q := e.began[r.PostForm.Get("code")]
	delete(e.began, r.PostForm.Get("code"))
	e.mu.Unlock()
	sum := sha256.Sum256([]byte(r.PostForm.Get("code_verifier")))
	id, secret, basic := r.BasicAuth()
	if secret, _ = url.QueryUnescape(secret); !basic { // RFC 6749, section 2.3.1
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	if q.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) || id != q.Get("client_id") ||
		secret != "a secret of the server" || r.PostForm.Get("redirect_uri") != q.Get("redirect_uri") {
		w.WriteHeader(http.StatusBadRequest)
		answerJSON(w, map[string]string{"error": "invalid_grant"})
		return
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": entraBase + "/v2.0", "aud": id, "ver": "2.0",
		"tid": entraTenant, "oid": entraUser, "sub": "pairwise", "nonce": q.Get("nonce"), "roles": e.roles,
		"preferred_username": "anna@corp.test", "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "k"
	raw, err := token.SignedString(e.key)
	if err != nil {
		e.t.Error(err)
	}
	answerJSON(w, map[string]any{"token_type": "Bearer", "expires_in": 3600, "access_token": e.access(q), "id_token": raw})
}

// access is the access token of a request: of an agent that acts for the person, where a scope
// of our registration was asked for, and otherwise nothing that anybody here can read.
func (e *entra) access(q url.Values) string {
	var scopes []string
	for word := range strings.FieldsSeq(q.Get("scope")) {
		if ours, ok := strings.CutPrefix(word, "api://multimail/"); ok {
			scopes = append(scopes, ours)
		}
	}
	if len(scopes) == 0 {
		return "opaque"
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{"iss": entraBase + "/v2.0", "aud": "api://multimail",
		"ver": "2.0", "tid": entraTenant, "oid": entraUser, "azp": q.Get("client_id"), "idtyp": "user", "xms_act_fct": "11",
		"scp": strings.Join(scopes, " "), "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix()})
	token.Header["kid"] = "k"
	raw, err := token.SignedString(e.key)
	if err != nil {
		e.t.Error(err)
	}
	return raw
}

// serve starts a server that reaches the stand-in, with settings in TOML.
func (e *entra) serve(settings string) *server {
	e.t.Helper()
	e.t.Setenv("HTTPS_PROXY", e.proxy)
	e.t.Setenv("SSL_CERT_FILE", e.cert)
	return serveWorld(e.t, "", settings)
}

// browser is a client of HTTP that finds the stand-in too.
func (e *entra) browser() *http.Client {
	return &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: e.roots},
		Proxy: func(r *http.Request) (*url.URL, error) {
			if r.URL.Hostname() != entraHost {
				return nil, nil
			}
			return url.Parse(e.proxy)
		}}}
}

const corpEntra = `[[issuer]]
name = "corp"
preset = "entra"
tenants = ["` + entraTenant + `"]
audiences = ["api://multimail"]
`

// The documented way: the embedded server, and Entra as the sign-in.
func TestPeopleSignInAtEntraForTheEmbeddedServer(t *testing.T) {
	secret := write(t, "entra.secret", "a secret of the server\n")
	settings := "[oauth]\nserver = \"embedded\"\nclient_hosts = [\"loopback\"]\n[[oauth.grant]]\nissuer = \"corp\"\n" +
		"tenant = \"" + entraTenant + "\"\nrole = \"Mail.Agents\"\nagents = [\"bot\"]\n" + corpEntra +
		"[issuer.login]\nclient_id = \"multimail\"\nclient_secret_file = \"" + secret + "\"\n"
	for role, allowed := range map[string]bool{"Mail.Agents": true, "Mail.Others": false} {
		t.Run(role, func(t *testing.T) {
			e := newEntra(t, role)
			s := e.serve(settings)
			ctx, stop := context.WithTimeout(t.Context(), 3*time.Minute)
			defer stop()
			c := &signedClient{t: t, ask: func(start string) consented {
				return consent(t, start, "as the agent bot", "LINK=Sign in with corp", "PROXY="+e.proxy)
			}}
			session, err := c.connect(ctx, s.dev.HTTP)
			if !allowed {
				if err == nil || !strings.Contains(err.Error(), "access_denied") {
					t.Errorf("any employee of the tenant: %v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			got, err := session.CallTool(ctx, &mcp.CallToolParams{Name: "list_mailboxes", Arguments: map[string]any{}})
			if err != nil || got.IsError {
				t.Fatalf("%+v %v", got, err)
			}
			if list := s.must("grant", "list"); !strings.Contains(list, "corp:"+entraTenant+":"+entraUser) {
				t.Errorf("the grants are\n%s", list)
			}
		})
	}
}

// Pointing at Entra directly leads clients there, in its words; one that keeps to the
// specification stops, because PKCE is not announced.
func TestClientsThatKeepToTheSpecificationStopAtEntraItself(t *testing.T) {
	e := newEntra(t)
	s := e.serve("[oauth]\nserver = \"corp\"\n" + corpEntra +
		"[issuer.scopes]\nread = [\"Mail.Read\"]\nsend = [\"Mail.Send\"]\n")
	status, body := s.http("GET", "/.well-known/oauth-protected-resource/mcp", "")
	var m struct {
		Servers []string `json:"authorization_servers"`
		Scopes  []string `json:"scopes_supported"`
	}
	decode(t, body, &m)
	if status != 200 || len(m.Servers) != 1 || m.Servers[0] != entraBase+"/v2.0" ||
		strings.Join(m.Scopes, " ") != "api://multimail/Mail.Read api://multimail/Mail.Send" {
		t.Errorf("%d %+v", status, m)
	}
	c := &signedClient{t: t, known: &oauthex.ClientCredentials{ClientID: "program"}, http: e.browser(),
		ask: func(start string) consented {
			t.Errorf("a person is sent to %s", start)
			return consented{}
		}}
	if _, err := c.connect(t.Context(), s.dev.HTTP); err == nil || !strings.Contains(err.Error(), "PKCE") {
		t.Errorf("%v", err)
	}
}
