package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/mail"
)

// Login signs people in at an issuer (OpenID Connect, code flow with PKCE). Who they are is
// all that it asks for: it gets no token for anything else, and keeps none.
type Login struct {
	conf     config.Issuer
	issuer   string // iss of the id tokens
	tenant   string // of entra
	at       string // of the OpenID configuration
	secret   string
	redirect string
	now      func() time.Time
	client   *http.Client

	mu    sync.Mutex
	found discovered
	since time.Time
}

// discovered is what the OpenID configuration says.
type discovered struct {
	*oidc.Provider
	named bool // its answers name it (RFC 9207, section 3)
}

// Signed is a person who has signed in.
type Signed struct {
	Person mail.Person
	Name   string   // how the issuer calls the person; for a page, never for a decision
	Roles  []string // application roles
}

// NewLogin returns the login of an issuer that has one. Its answers come to redirect.
func NewLogin(c config.Issuer, secret, redirect string, now func() time.Time) (*Login, error) {
	if c.Login.ClientID == "" {
		return nil, errors.New("oauth: the issuer has no login")
	}
	l := &Login{conf: c, issuer: c.Issuer, at: c.DiscoveryURL, secret: secret, redirect: redirect, now: now}
	if c.Preset == config.PresetEntra {
		if l.tenant = c.Login.Tenant; l.tenant == "" {
			l.tenant = c.Tenants[0]
		}
		l.issuer, _ = config.EntraIssuers(l.tenant)
		l.at = l.issuer + "/.well-known/openid-configuration"
	}
	l.client = newClient(source{})
	return l, nil
}

// Issuer is the name of the issuer in the configuration.
func (l *Login) Issuer() string { return l.conf.Name }

// providerAge is how long the OpenID configuration is believed.
const providerAge = time.Hour

// provider reads the OpenID configuration, or returns what was read.
func (l *Login) provider(ctx context.Context) (none discovered, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.found.Provider != nil && l.now().Sub(l.since) < providerAge {
		return l.found, nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.at, nil)
	if err != nil {
		return none, err
	}
	resp, err := l.client.Do(req)
	if err != nil {
		return none, err
	}
	defer resp.Body.Close()
	var doc struct {
		Issuer string `json:"issuer"`
		Auth   string `json:"authorization_endpoint"`
		Token  string `json:"token_endpoint"`
		Keys   string `json:"jwks_uri"`
		Named  bool   `json:"authorization_response_iss_parameter_supported"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&doc); err != nil || resp.StatusCode != http.StatusOK {
		return none, fmt.Errorf("the OpenID configuration was answered %d: %w", resp.StatusCode, err)
	}
	if doc.Issuer != l.issuer {
		return none, fmt.Errorf("the OpenID configuration is of the issuer %.200q, not of %q", doc.Issuer, l.issuer)
	}
	for _, u := range []string{doc.Auth, doc.Token, doc.Keys} {
		if problem := config.Fetchable(u); problem != "" {
			return none, fmt.Errorf("the OpenID configuration names %.200q: %s", u, problem)
		}
	}
	found := oidc.ProviderConfig{IssuerURL: doc.Issuer, AuthURL: doc.Auth, TokenURL: doc.Token, JWKSURL: doc.Keys,
		Algorithms: l.conf.Algorithms}
	// The keys are fetched with the client of this context, whenever they are needed.
	l.found = discovered{found.NewProvider(oidc.ClientContext(context.WithoutCancel(ctx), l.client)), doc.Named}
	l.since = l.now()
	return l.found, nil
}

func (l *Login) flow(p discovered) oauth2.Config {
	return oauth2.Config{ClientID: l.conf.Login.ClientID, ClientSecret: l.secret, Endpoint: p.Endpoint(),
		RedirectURL: l.redirect, Scopes: []string{oidc.ScopeOpenID, "profile"}}
}

// Start returns where to send the browser. state, nonce and verifier are random and come
// back to Finish from the browser that was sent.
func (l *Login) Start(ctx context.Context, state, nonce, verifier string) (string, error) {
	p, err := l.provider(ctx)
	if err != nil {
		return "", errUnavailable.Because(err)
	}
	flow := l.flow(p)
	return flow.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), nil
}

// Finish redeems the code of an answer that came back (RFC 6749, section 4.1.2), after the
// caller has compared its state. An error of kind mail.ErrUnauthorised is the person's or the
// issuer's; any other one means that it cannot be told now.
func (l *Login) Finish(ctx context.Context, answer url.Values, nonce, verifier string) (who Signed, err error) {
	p, err := l.provider(ctx)
	if err != nil {
		return who, errUnavailable.Because(err)
	}
	code, err := l.code(answer, p.named)
	if err != nil {
		return who, errLogin.Because(err)
	}
	flow := l.flow(p)
	ctx = oidc.ClientContext(ctx, l.client)
	token, err := flow.Exchange(ctx, code, oauth2.VerifierOption(verifier))
	if err != nil {
		return who, errLogin.Because(err)
	}
	raw, _ := token.Extra("id_token").(string)
	if raw == "" || len(raw) > maxToken {
		return who, errLogin.Because(errors.New("the issuer gave no id token"))
	}
	if err := l.strict(raw); err != nil {
		return who, errLogin.Because(err)
	}
	verified, err := p.Verifier(&oidc.Config{ClientID: flow.ClientID, Now: l.now,
		SupportedSigningAlgs: l.conf.Algorithms}).Verify(ctx, raw)
	if err != nil {
		return who, errLogin.Because(err)
	}
	if verified.Nonce != nonce || nonce == "" {
		return who, errLogin.Because(errors.New("the id token is of another sign-in"))
	}
	var c map[string]any
	if err := verified.Claims(&c); err != nil {
		return who, errLogin.Because(err)
	}
	return l.person(c)
}

// strict refuses an id token that two readers could take differently, as access tokens are read,
// and one that was given to another client (OpenID Connect Core, section 3.1.3.7).
func (l *Login) strict(raw string) error {
	t, err := split(raw)
	if err == nil {
		err = t.readHeader()
	}
	if err != nil {
		return err
	}
	c, err := object(t.payload)
	if err != nil {
		return err
	}
	for _, name := range []string{"exp", "nbf", "iat"} {
		if _, err := c.seconds(name); err != nil {
			return err
		}
	}
	azp, err := c.text("azp")
	if several := c["aud"].Kind() == '['; err == nil && several && !c.has("azp") {
		var list []string
		if list, err = c.list("aud"); err == nil && len(list) != 1 {
			err = errors.New("the id token has several audiences and no azp")
		}
	}
	if err == nil && c.has("azp") && azp != l.conf.Login.ClientID {
		err = errors.New("azp of the id token is not our client id: it was given to another client")
	}
	return err
}

// code is that of an answer of this issuer. One that names another issuer, or none though this
// one names itself, may carry the code of another one, which is not for here (RFC 9207,
// section 2.4).
func (l *Login) code(answer url.Values, named bool) (string, error) {
	for _, name := range []string{"code", "iss", "error"} {
		if len(answer[name]) > 1 {
			return "", fmt.Errorf("the answer has %s twice", name)
		}
	}
	switch iss := answer.Get("iss"); {
	case (named || answer.Has("iss")) && iss != l.issuer:
		return "", fmt.Errorf("the answer is of the issuer %.200q, not of %q", iss, l.issuer)
	case answer.Has("error"):
		return "", fmt.Errorf("the issuer answered %.200q", answer.Get("error"))
	case answer.Get("code") == "":
		return "", errors.New("the answer has no code")
	}
	return answer.Get("code"), nil
}

var errLogin = mail.ErrUnauthorised.Errorf("the sign-in did not succeed; begin again in the client")

// person reads who signed in, by the claims that tokens of this issuer name people by.
func (l *Login) person(c map[string]any) (who Signed, err error) {
	id, tenant := l.conf.PersonClaim, l.conf.TenantClaim
	if l.conf.Preset == config.PresetEntra {
		id, tenant = "oid", "tid"
		for _, name := range []string{"xms_act_fct", "xms_sub_fct", "xms_par_app_azp"} {
			if _, there := c[name]; there {
				return who, errLogin.Because(errors.New("who signed in is an agent, not a person"))
			}
		}
	}
	who.Person = mail.Person{Issuer: l.conf.Name, ID: said(c, id)}
	if tenant != "" {
		who.Person.Tenant = said(c, tenant)
		if l.conf.Preset == config.PresetEntra {
			who.Person.Tenant = normalGUID(who.Person.Tenant)
		}
		if !slices.Contains(l.conf.Tenants, who.Person.Tenant) || l.tenant != "" && who.Person.Tenant != l.tenant {
			return Signed{}, errLogin.Because(errors.New("the tenant is not one of the configuration"))
		}
	}
	if l.conf.Preset == config.PresetEntra {
		who.Person.ID = normalGUID(who.Person.ID)
	}
	if who.Person.ID == "" {
		return Signed{}, errLogin.Because(fmt.Errorf("the id token has no %s", id))
	}
	for _, name := range []string{"preferred_username", "name", "email"} {
		if who.Name == "" {
			who.Name = said(c, name)
		}
	}
	if roles, ok := c["roles"].([]any); ok && len(roles) <= maxValues {
		for _, r := range roles {
			if s, ok := r.(string); ok {
				who.Roles = append(who.Roles, s)
			}
		}
	}
	return who, nil
}

// said returns a claim that is a short printable text, "" for anything else.
func said(c map[string]any, name string) string {
	s, ok := c[name].(string)
	if !ok || len(s) > 256 || strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f }) {
		return ""
	}
	return s
}
