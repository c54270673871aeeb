package authserver

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/multimail/multimail/internal/redirect"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Client is a program that may ask for grants.
type Client struct {
	ID        string          `json:"id"`
	Name      string          `json:"name,omitempty"` // what it calls itself
	Source    Source          `json:"source"`
	Redirects []string        `json:"redirects,omitempty"`
	Method    Method          `json:"method"`
	Secret    Hash            `json:"secret,omitzero"`
	Keys      json.RawMessage `json:"keys,omitempty"`     // JWK set, for private_key_jwt
	KeysURI   string          `json:"keys_uri,omitempty"` // in place of Keys
	// Own is the grant by which it acts for itself, as an agent without a person; "" for none.
	Own string `json:"own,omitempty"`
	// From is the mark of the network that a registration came from, until it is used.
	From      string    `json:"from,omitempty"`
	CreatedAt time.Time `json:"created_at"`
	UsedAt    time.Time `json:"used_at,omitzero"` // first token; zero: a registration that may lapse
	EndedAt   time.Time `json:"ended_at,omitzero"`
}

// Source says where a client comes from.
type Source string

// The sources of clients.
const (
	ByOperator Source = "operator" // added on the command line
	BySelf     Source = "self"     // registered itself (RFC 7591)
	ByDocument Source = "document" // its id is the URL of its metadata
)

// Method is how a client proves at the token endpoint that it is the client.
type Method string

// The methods, as RFC 7591, section 2 names them.
const (
	MethodNone   Method = "none"
	MethodBasic  Method = "client_secret_basic"
	MethodPost   Method = "client_secret_post"
	MethodSigned Method = "private_key_jwt"
)

// Methods lists them.
var Methods = []Method{MethodNone, MethodBasic, MethodPost, MethodSigned}

// Hash is the SHA-256 of a secret of 256 random bits: nothing slower is needed for one.
type Hash [sha256.Size]byte

func hashOf(secret string) Hash { return sha256.Sum256([]byte(secret)) }

func (h Hash) is(other Hash) bool { return subtle.ConstantTimeCompare(h[:], other[:]) == 1 }

// MarshalText implements encoding.TextMarshaler.
func (h Hash) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h[:])), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (h *Hash) UnmarshalText(b []byte) error {
	n, err := hex.Decode(h[:], b)
	if err == nil && n != len(h) {
		err = errors.New("authserver: a hash is cut short")
	}
	return err
}

// NewClient is what a client of the operator shall be.
type NewClient struct {
	Name      string
	Redirects []string
	Method    Method
	Keys      json.RawMessage
	KeysURI   string
	// Agent, with Scopes and Resource, lets it act for itself as an agent.
	Agent    string
	Scopes   []registry.Scope
	Resource string
}

// AddClient adds a client and returns its secret, which is shown this once; "" for one
// without. An admin does so.
func (s *Server) AddClient(tx store.Tx, actor registry.Principal, q NewClient) (Client, string, error) {
	p, err := s.o.Registry.Configures(tx, actor)
	if err != nil {
		return Client{}, "", err
	}
	c := Client{ID: "mmc_" + strings.ToLower(string(mail.NewID(tx.Now()))), Name: q.Name, Source: ByOperator,
		Redirects: q.Redirects, Method: q.Method, Keys: q.Keys, KeysURI: q.KeysURI, CreatedAt: tx.Now()}
	if err := s.check(c); err != nil {
		return Client{}, "", mail.ErrInvalid.Errorf("%s", err.Description)
	}
	if q.Agent != "" {
		if c.Method != MethodSigned {
			return Client{}, "", mail.ErrInvalid.Errorf("a client that acts for itself proves itself with private_key_jwt")
		}
		r, ok := s.resource(q.Resource)
		if !ok {
			return Client{}, "", mail.ErrInvalid.Errorf("the resource is one of %s", strings.Join(s.resources(), ", "))
		}
		g, err := s.o.Registry.Grant(tx, p, registry.GrantRequest{Kind: registry.KindAgent, Owner: q.Agent,
			Client: c.ID, Scopes: q.Scopes, Resource: r}, true)
		if err != nil {
			return Client{}, "", err
		}
		c.Own = g.ID
	} else if len(c.Redirects) == 0 {
		return Client{}, "", mail.ErrInvalid.Errorf("a client needs a redirect URI, or an agent that it acts as")
	}
	secret := ""
	if c.Method == MethodBasic || c.Method == MethodPost {
		secret = token("mms_")
		c.Secret = hashOf(secret)
	}
	if err := put(tx, clientKey+c.ID, c); err != nil {
		return Client{}, "", err
	}
	return c, secret, s.note(tx, p, registry.ClientAdded, c)
}

// check refuses a client that cannot be, wherever it comes from.
func (s *Server) check(c Client) *Error {
	if len(c.Name) > maxName || strings.ContainsFunc(c.Name, func(r rune) bool { return !isShown(r) }) {
		return refuse(InvalidMetadata, "a name has at most %d octets that print", maxName)
	}
	if len(c.Redirects) > maxRedirects {
		return refuse(InvalidRedirect, "a client has at most %d redirect URIs", maxRedirects)
	}
	for _, r := range c.Redirects {
		if _, err := redirect.Parse(r); err != nil {
			return refuse(InvalidRedirect, "%s", err)
		}
	}
	if !slices.Contains(Methods, c.Method) {
		return refuse(InvalidMetadata, "a client proves itself by one of %v", Methods)
	}
	if (c.Method == MethodSigned) != (len(c.Keys) > 0 || c.KeysURI != "") || len(c.Keys) > 0 && c.KeysURI != "" {
		return refuse(InvalidMetadata, "private_key_jwt takes either jwks or jwks_uri, and no other method does")
	}
	if len(c.Keys) > 0 {
		if _, err := readKeys(c.Keys); err != nil {
			return refuse(InvalidMetadata, "%s", err)
		}
	}
	if c.KeysURI != "" && !s.isDocumentURL(c.KeysURI) {
		return refuse(InvalidMetadata, "jwks_uri is an https URL with a path")
	}
	return nil
}

// RotateClient gives a client a new secret in place of the old one.
func (s *Server) RotateClient(tx store.Tx, actor registry.Principal, id string) (secret string, err error) {
	p, err := s.o.Registry.Configures(tx, actor)
	if err != nil {
		return "", err
	}
	c, err := s.client(tx, id)
	if err != nil {
		return "", err
	}
	if c.Method != MethodBasic && c.Method != MethodPost {
		return "", mail.ErrInvalid.Errorf("this client has no secret")
	}
	secret = token("mms_")
	c.Secret = hashOf(secret)
	if err := put(tx, clientKey+c.ID, c); err != nil {
		return "", err
	}
	return secret, s.note(tx, p, registry.ClientRotated, c)
}

// RemoveClient ends a client, and every grant of it.
func (s *Server) RemoveClient(tx store.Tx, actor registry.Principal, id string) error {
	p, err := s.o.Registry.Configures(tx, actor)
	if err != nil {
		return err
	}
	c, err := s.client(tx, id)
	if err != nil {
		return err
	}
	c.EndedAt = tx.Now()
	if err := put(tx, clientKey+c.ID, c); err != nil {
		return err
	}
	if err := s.note(tx, p, registry.ClientRemoved, c); err != nil {
		return err
	}
	return s.endGrantsOf(tx, c.ID, "client")
}

// EndClosed removes up to limit clients of a closed account, and returns how many it removed: 0
// once none is left. The registry ends their grants.
func (s *Server) EndClosed(tx store.Tx, limit int) (n int, err error) {
	all, err := s.Clients(tx)
	for _, c := range all {
		if err != nil || n >= limit {
			break
		}
		if !c.EndedAt.IsZero() {
			continue
		}
		c.EndedAt = tx.Now()
		if err = put(tx, clientKey+c.ID, c); err == nil {
			err = s.note(tx, system, registry.ClientRemoved, c)
		}
		n++
	}
	return n, err
}

func (s *Server) endGrantsOf(tx store.Tx, client, why string) error {
	all, err := s.o.Registry.Grants(tx)
	if err != nil {
		return err
	}
	for _, g := range all {
		if g.Client == client && g.EndedAt.IsZero() {
			if err := s.o.Registry.EndGrantAs(tx, g.ID, why); err != nil {
				return err
			}
		}
	}
	return nil
}

// Clients returns the clients that are in the store, ended ones too.
func (s *Server) Clients(tx store.Tx) (out []Client, err error) {
	err = space.Scan(tx, store.Prefix(clientKey), func(_ string, b []byte) error {
		var c Client
		if err := json.Unmarshal(b, &c); err != nil {
			return err
		}
		out = append(out, c)
		return nil
	})
	return out, err
}

// client returns a client that is in the store and has not ended.
func (s *Server) client(tx store.Tx, id string) (c Client, err error) {
	if len(id) > maxURI || strings.ContainsAny(id, "/ ") {
		return c, mail.ErrNotFound.Errorf("no such client")
	}
	ok, err := read(tx, clientKey+id, &c)
	if err == nil && (!ok || !c.EndedAt.IsZero() || c.lapsed(tx.Now())) {
		err = mail.ErrNotFound.Errorf("no such client")
	}
	return c, err
}

// find returns the client of an id: one of the store, or one whose id is the URL of what it
// publishes. It must not be called within a transaction.
func (s *Server) find(ctx context.Context, id string) (c Client, err error) {
	if s.isDocumentURL(id) {
		c, err = s.document(ctx, id)
	} else {
		err = s.o.Store.View(ctx, func(tx store.Tx) error {
			c, err = s.client(tx, id)
			return err
		})
	}
	if errors.Is(err, mail.ErrNotFound) {
		return c, refuse(InvalidClient, "the client is not known here; register it, or ask the operator to add it")
	}
	return c, err
}

// note writes the entry of a client. The name and the URIs of one are the words of whoever
// registered it.
func (s *Server) note(tx store.Tx, by registry.Principal, change registry.ClientChange, c Client) error {
	return s.o.Registry.NoteClient(tx, by, registry.ClientNote{Change: change, ID: c.ID, Name: c.Name,
		Source: string(c.Source), Method: string(c.Method), Redirects: c.Redirects})
}

// RedirectHosts are the hosts to which codes for the client go: what a person should look
// at, since the name is the client's own.
func (c Client) RedirectHosts() (out []string) {
	for _, r := range c.Redirects {
		if u, err := redirect.Parse(r); err == nil && !slices.Contains(out, u.Host()) {
			out = append(out, u.Host())
		}
	}
	return out
}

// token returns a new secret of 256 bits behind a prefix that a scanner knows.
func token(prefix string) string {
	b := random()
	return prefix + base64.RawURLEncoding.EncodeToString(b[:])
}

func put(tx store.Tx, key string, v any) error {
	b, err := json.Marshal(v)
	if err == nil {
		err = space.Put(tx, key, b)
	}
	if err != nil {
		return fmt.Errorf("authserver: write %s: %w", key, err)
	}
	return nil
}

// read reads a record; ok is false when there is none.
func read(tx store.Tx, key string, v any) (ok bool, err error) {
	b, err := space.Get(tx, key)
	if errors.Is(err, store.ErrNotFound) {
		return false, nil
	}
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		return false, fmt.Errorf("authserver: read %s: %w", key, err)
	}
	return true, nil
}

// isShown reports whether a character may stand in a name: it prints, and changes no
// direction.
func isShown(r rune) bool { return unicode.IsPrint(r) }
