package httpd

import (
	"bytes"
	"crypto/rand"
	_ "embed"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"strings"

	"github.com/multimail/multimail/internal/authserver"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

//go:embed consent/consent.html
var consentSource string

//go:embed consent/consent.css
var consentStyle string

var consentPages = template.Must(template.New("").Parse(consentSource))

// The cookies of a sign-in. A browser sends them to this very host alone, over TLS, and no
// page of another can set them (RFC 6265bis, section 4.1.3.2).
const (
	sessionCookie = "__Host-mm_session"
	loginCookie   = "__Host-mm_login"
)

// page is what the templates show.
type consentPage struct {
	Style   template.CSS
	Query   string // of the authorization request, as it came
	Client  authserver.Client
	Host    string // where the answer goes: every client chooses its own name, and not its host
	Logins  []string
	Who     string
	Offers  []authserver.Offer
	Proof   string
	Problem string
}

// show writes a page that cannot be framed, loads nothing, and sends forms to this host, from
// where the browser may be sent to one other origin alone, next; "" for none.
func (s *Server) show(w http.ResponseWriter, status int, name string, p consentPage, next string) {
	p.Style = template.CSS(consentStyle) //nolint: the file is ours
	var b bytes.Buffer
	if err := consentPages.ExecuteTemplate(&b, name, p); err != nil {
		s.o.Log.Error("consent page", "err", err)
		http.Error(w, "internal error", http.StatusInternalServerError)
		return
	}
	action := "'self'"
	if next != "" {
		action += " " + next
	}
	h := w.Header()
	h.Set("Content-Security-Policy", "default-src 'none'; style-src '"+hashOf(consentStyle)+"'; form-action "+action+
		"; frame-ancestors 'none'; base-uri 'none'")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	w.Write(b.Bytes())
}

// authorize is the authorization endpoint. It changes nothing: a page that is loaded ahead
// grants nothing.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request) {
	req, ok := s.begin(w, r, r.URL.RawQuery)
	if !ok {
		return
	}
	in, ok := s.signedIn(r, req)
	switch {
	case !ok && req.Silent:
		leaveFor(w, r, s.o.OAuth.Server.Refuse(req, authserver.LoginRequired, "nobody is signed in"))
	case !ok:
		s.show(w, http.StatusOK, "login", consentPage{Query: r.URL.RawQuery, Client: req.Client, Logins: s.loginNames()}, "")
	default:
		s.ask(w, r, req, in)
	}
}

// begin reads the authorization request of a query, and answers one that is not good. A
// stranger's query can make this server fetch a document, so each takes a turn of its source.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, query string) (*authserver.Request, bool) {
	if wait := s.oauthTurn(r); wait > 0 {
		s.fail(w, r, tooFast(mail.LimitOAuth, wait, "too many requests from your address"))
		return nil, false
	}
	q, err := url.ParseQuery(query)
	if err != nil || len(query) > maxForm {
		s.show(w, http.StatusBadRequest, "problem", consentPage{Problem: "the request is malformed"}, "")
		return nil, false
	}
	if err := s.clientTurn(r, q.Get("client_id")); err != nil {
		s.fail(w, r, err)
		return nil, false
	}
	req, err := s.o.OAuth.Server.Begin(r.Context(), q)
	var f *authserver.Failure
	switch {
	case err == nil:
		return req, true
	case !errors.As(err, &f):
		s.fail(w, r, err)
	case f.Redirect != "":
		leaveFor(w, r, f.Redirect)
	default:
		s.show(w, http.StatusBadRequest, "problem", consentPage{Problem: f.Refusal.Description}, "")
	}
	return nil, false
}

// leaveFor sends the browser to the client. 303: a POST is not repeated there.
func leaveFor(w http.ResponseWriter, r *http.Request, to string) {
	w.Header().Set("Cache-Control", "no-store")
	http.Redirect(w, r, to, http.StatusSeeOther)
}

func (s *Server) loginNames() (out []string) {
	for _, l := range s.o.OAuth.Logins {
		out = append(out, l.Issuer())
	}
	return out
}

// signedIn returns who sits in front of the browser to answer a request. ok is false for nobody.
func (s *Server) signedIn(r *http.Request, req *authserver.Request) (in authserver.SignedIn, ok bool) {
	c, err := r.Cookie(sessionCookie)
	if err != nil {
		return in, false
	}
	in, ok, err = s.o.OAuth.Server.Session(r.Context(), req, c.Value)
	return in, ok && err == nil
}

// ask shows the consent page. Who may grant nothing of what is asked for gets none.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, req *authserver.Request, in authserver.SignedIn) {
	offers, proof, err := s.o.OAuth.Server.Offers(r.Context(), req, in)
	switch {
	case err != nil:
		s.fail(w, r, err)
	case len(offers) == 0:
		s.refuse(w, r, req, in, "who signed in may not grant this")
	case req.Silent:
		leaveFor(w, r, s.o.OAuth.Server.Refuse(req, "consent_required", "consent is asked for each time"))
	default:
		s.show(w, http.StatusOK, "consent", consentPage{Query: r.URL.RawQuery, Client: req.Client, Who: in.Name,
			Host: req.Host, Offers: offers, Proof: proof}, req.Origin)
	}
}

// posted reads a form of our pages and the authorization request that it carries on, and
// answers what is not good.
func (s *Server) posted(w http.ResponseWriter, r *http.Request) (url.Values, *authserver.Request, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	q, err := form(r)
	if err != nil {
		s.show(w, http.StatusBadRequest, "problem", consentPage{Problem: "the form is malformed"}, "")
		return nil, nil, false
	}
	req, ok := s.begin(w, r, q.Get("query"))
	return q, req, ok
}

// consent takes the form of the consent page.
func (s *Server) consent(w http.ResponseWriter, r *http.Request) {
	q, req, ok := s.posted(w, r)
	if !ok {
		return
	}
	in, ok := s.signedIn(r, req)
	if !ok {
		s.show(w, http.StatusBadRequest, "problem", consentPage{
			Problem: "you are not signed in any more; begin again in the client"}, "")
		return
	}
	if q.Get("decision") != "allow" {
		s.refuse(w, r, req, in, "it was refused")
		return
	}
	s.drop(w, sessionCookie) // one sign-in, one consent
	a := authserver.Answer{Offer: q.Get("offer"), Proof: q.Get("proof")}
	for _, scope := range q["scopes"] {
		a.Scopes = append(a.Scopes, registry.Scope(scope))
	}
	to, err := s.o.OAuth.Server.Consent(r.Context(), req, in, a)
	switch e := authserver.AsError(err); {
	case e != nil && e.Code == authserver.AccessDenied:
		s.refuse(w, r, req, in, e.Description)
	case e != nil:
		s.show(w, http.StatusBadRequest, "problem", consentPage{Problem: e.Description}, "")
	case err != nil:
		s.fail(w, r, err)
	default:
		leaveFor(w, r, to)
	}
}

// refuse sends the browser back without a grant. The session is over: what was refused cannot be
// granted after all by whoever has its cookie.
func (s *Server) refuse(
	w http.ResponseWriter, r *http.Request, req *authserver.Request, in authserver.SignedIn, why string,
) {
	s.drop(w, sessionCookie)
	if err := s.o.OAuth.Server.EndSession(r.Context(), in); err != nil {
		s.fail(w, r, err)
		return
	}
	leaveFor(w, r, s.o.OAuth.Server.Refuse(req, authserver.AccessDenied, why))
}

// loginByKey signs in whoever holds an admin's API key.
func (s *Server) loginByKey(w http.ResponseWriter, r *http.Request) {
	q, req, ok := s.posted(w, r)
	if !ok {
		return
	}
	p, err := s.principal(r.Context(), strings.TrimSpace(q.Get("key")), remote(r), "")
	sealed := ""
	if err == nil {
		sealed, err = s.o.OAuth.Server.SignInAdmin(r.Context(), req, p)
	}
	if err != nil {
		status, body, _ := s.explain(r.Method, r.Pattern, err)
		problem := body.Message
		if status == http.StatusUnauthorized || status == http.StatusForbidden {
			problem = "this is not the API key of an admin"
		}
		s.show(w, status, "login", consentPage{Query: q.Get("query"), Client: req.Client, Logins: s.loginNames(),
			Problem: problem}, "")
		return
	}
	s.keep(w, sessionCookie, sealed)
	leaveFor(w, r, pathAuthorize+"?"+q.Get("query"))
}

// login under way, sealed in the browser that began it.
type pendingLogin struct {
	Issuer   string `json:"issuer"`
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"`
	Query    string `json:"query"`
}

// loginStart sends the browser to an issuer.
func (s *Server) loginStart(w http.ResponseWriter, r *http.Request) {
	query := r.URL.Query().Get("query")
	if _, ok := s.begin(w, r, query); !ok {
		return
	}
	for _, l := range s.o.OAuth.Logins {
		if l.Issuer() != r.PathValue("issuer") {
			continue
		}
		p := pendingLogin{l.Issuer(), rand.Text(), rand.Text(), rand.Text() + rand.Text(), query}
		to, err := l.Start(r.Context(), p.State, p.Nonce, p.Verifier)
		sealed := ""
		if err == nil {
			sealed, err = s.o.OAuth.Server.Seal(r.Context(), "login", p)
		}
		if err != nil {
			s.fail(w, r, err)
			return
		}
		s.keep(w, loginCookie, sealed)
		leaveFor(w, r, to)
		return
	}
	s.show(w, http.StatusNotFound, "problem", consentPage{Problem: "nobody signs in there"}, "")
}

// loginCallback takes the answer of an issuer, in the browser that began.
func (s *Server) loginCallback(w http.ResponseWriter, r *http.Request) {
	again := consentPage{Problem: "the sign-in did not succeed; begin again in the client"}
	if wait := s.oauthTurn(r); wait > 0 { // each can make this server ask the issuer
		s.fail(w, r, tooFast(mail.LimitOAuth, wait, "too many requests from your address"))
		return
	}
	c, err := r.Cookie(loginCookie)
	if err != nil {
		s.show(w, http.StatusBadRequest, "problem", again, "")
		return
	}
	s.drop(w, loginCookie)
	var p pendingLogin
	q := r.URL.Query()
	ok, err := s.o.OAuth.Server.Open(r.Context(), "login", c.Value, &p)
	if err != nil || !ok || p.State == "" || q.Get("state") != p.State || len(q["state"]) != 1 {
		s.show(w, http.StatusBadRequest, "problem", again, "")
		return
	}
	req, ok := s.begin(w, r, p.Query) // who began it may have been removed since
	if !ok {
		return
	}
	for _, l := range s.o.OAuth.Logins {
		if l.Issuer() != p.Issuer {
			continue
		}
		who, roles, name, err := l.Finish(r.Context(), q, p.Nonce, p.Verifier)
		sealed := ""
		if err == nil {
			sealed, err = s.o.OAuth.Server.SignIn(r.Context(), req, who, roles, name)
		}
		if err != nil {
			s.o.Log.Warn("sign-in", "issuer", p.Issuer, "err", errors.Unwrap(err))
			s.show(w, http.StatusForbidden, "problem", again, "")
			return
		}
		s.keep(w, sessionCookie, sealed)
		leaveFor(w, r, pathAuthorize+"?"+p.Query)
		return
	}
	s.show(w, http.StatusBadRequest, "problem", again, "")
}

// keep has the browser keep a value for this host until it is closed.
func (s *Server) keep(w http.ResponseWriter, name, value string) {
	http.SetCookie(w, &http.Cookie{Name: name, Value: value, Path: "/", Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
}

func (s *Server) drop(w http.ResponseWriter, name string) {
	http.SetCookie(w, &http.Cookie{Name: name, Path: "/", MaxAge: -1, Secure: true, HttpOnly: true,
		SameSite: http.SameSiteLaxMode})
}
