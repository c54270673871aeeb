package authserver

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// Revoke ends the grant of a token that belongs to the client (RFC 7009): of a refresh token
// and of an access token alike, since neither should be good after the client let go of it. A
// token that is not known is no error.
func (s *Server) Revoke(ctx context.Context, p Proof, secret string) error {
	c, err := s.authenticate(ctx, &p)
	if err != nil {
		return err
	}
	a, verified := s.Read(ctx, secret)
	t := a.Token
	return s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.spend(tx, c, p); err != nil {
			return err
		}
		id := ""
		var r refresh
		if ok, err := read(tx, refreshAt(secret), &r); err != nil {
			return err
		} else if ok && r.Client == c.ID {
			id = r.Grant
		}
		if verified == nil && t.Client == c.ID {
			id = t.Object
		}
		if id == "" || id == c.Own {
			return nil
		}
		return s.o.Registry.EndGrantAs(tx, id, "client")
	})
}

// Introspection is what is said of a token (RFC 7662, section 2.2).
type Introspection struct {
	Active   bool   `json:"active"`
	Scope    string `json:"scope,omitempty"`
	Client   string `json:"client_id,omitempty"`
	Type     string `json:"token_type,omitempty"`
	Expires  int64  `json:"exp,omitempty"`
	Subject  string `json:"sub,omitempty"`
	Audience string `json:"aud,omitempty"`
	Issuer   string `json:"iss,omitempty"`
}

// Introspect says whether a token of the client is good, and for what. A client without a
// proof of its own, and one that asks about another's token, learns nothing.
func (s *Server) Introspect(ctx context.Context, p Proof, secret string) (out Introspection, err error) {
	c, err := s.authenticate(ctx, &p)
	if err != nil {
		return out, err
	}
	if c.Method == MethodNone {
		return out, refuse(UnauthorizedClient, "only a client that can prove itself may ask")
	}
	a, bad := s.Read(ctx, secret)
	t := a.Token
	err = s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.spend(tx, c, p); err != nil {
			return err
		}
		if bad != nil || t.Client != c.ID {
			return nil
		}
		who, err := s.o.Registry.ByToken(tx, t)
		if err != nil {
			return nil // it is not good, whatever the reason
		}
		out = Introspection{Active: true, Scope: joined(who.Scopes), Client: c.ID, Type: "Bearer",
			Expires: t.Expires.Unix(), Subject: who.ID(), Audience: t.Audience, Issuer: s.Issuer()}
		return nil
	})
	return out, err
}

// Sweep forgets what cannot be used any more: codes, refresh tokens, forms and assertions whose
// time is over. It looks at limit records of each, from anywhere on and around: their keys are
// hashes, so all of them come up in time.
func (s *Server) Sweep(tx store.Tx, limit int) error {
	now, from := tx.Now(), random()
	for _, prefix := range []string{codeKey, refreshKey, usedKey} {
		var over []string
		seen, all := 0, store.Prefix(prefix)
		middle := all.From + hex.EncodeToString(from[:])
		for _, r := range []store.Range{{From: middle, To: all.To}, {From: all.From, To: middle}} {
			err := space.Scan(tx, r, func(key string, b []byte) error {
				if seen == limit {
					return store.Stop
				}
				if seen++; until(prefix, b).Before(now) {
					over = append(over, key)
				}
				return nil
			})
			if err != nil {
				return err
			}
		}
		for _, key := range over {
			if err := s.lapse(tx, prefix, key); err != nil {
				return err
			}
			if err := space.Delete(tx, key); err != nil {
				return err
			}
		}
	}
	return nil
}

// lapse ends the grant of a refresh token that is over and was not used: it is the newest of
// its family, so the client has done nothing for as long as it lasts.
func (s *Server) lapse(tx store.Tx, prefix, key string) error {
	var r refresh
	if prefix != refreshKey {
		return nil
	}
	if _, err := read(tx, key, &r); err != nil || r.Used {
		return err
	}
	err := s.o.Registry.EndGrantAs(tx, r.Grant, "unused")
	if errors.Is(err, mail.ErrNotFound) {
		return nil
	}
	return err
}

// until is the time from which a record is not needed.
func until(prefix string, b []byte) (t time.Time) {
	if strings.HasPrefix(prefix, usedKey) {
		_ = json.Unmarshal(b, &t)
		return t
	}
	var r struct {
		Until time.Time `json:"until"`
	}
	_ = json.Unmarshal(b, &r)
	if prefix == codeKey {
		return r.Until.Add(keepCodes)
	}
	return r.Until
}
