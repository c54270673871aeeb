package gate_test

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"

	"github.com/multimail/multimail/gate"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// failingStore lets the test say what becomes of a submission after its body
// was staged.
type failingStore struct {
	store.Store
	staged func() error
	panics bool
	fits   error
}

func (s *failingStore) Stage(ctx context.Context, key string, b []byte) (store.Staged, error) {
	st, err := s.Store.Stage(ctx, key, b)
	if err == nil && s.staged != nil {
		s.staged()
	}
	return st, err
}

func (s *failingStore) Update(ctx context.Context, fn func(store.Tx) error) error {
	if s.panics {
		panic("our bug")
	}
	return s.Store.Update(ctx, fn)
}

func (s *failingStore) Fits(n int64) error { return errors.Join(s.fits, s.Store.Fits(n)) }

// bodies lists the body files of a data directory.
func bodies(t *testing.T, dir string) (all []string) {
	t.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "bodies"), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestABodyThatBecameNoMailIsRemovedOnEveryPath(t *testing.T) {
	h := build(t)
	large := strings.Repeat(strings.Repeat("x", 76)+"\r\n", 2000)
	submit := func(db store.Store, ctx context.Context, key string) (err error) {
		defer func() {
			if r := recover(); r != nil {
				err = errors.New("panic")
			}
		}()
		g := h.NewGate(db, gate.Options{})
		s := h.Submission("ada@dest.test")
		s.Raw = append(s.Raw, large...)
		s.IdempotencyKey, s.Fingerprint = key, "f"
		_, err = g.Submit(ctx, h.Agent, s)
		return err
	}
	if err := submit(h.DB, h.ctx, "first"); err != nil {
		t.Fatal(err)
	}
	if n := len(bodies(t, h.Dir)); n != 1 {
		t.Fatalf("%d files for one mail", n)
	}
	ctx, cancel := context.WithCancel(h.ctx)
	full := errors.New("full")
	for name, c := range map[string]struct {
		db  *failingStore
		ctx context.Context
		key string
	}{
		"the client is gone": {&failingStore{Store: h.DB, staged: func() error { cancel(); return nil }}, ctx, ""},
		"a panic":            {&failingStore{Store: h.DB, panics: true}, h.ctx, ""},
		"no space for it":    {&failingStore{Store: h.DB, fits: full}, h.ctx, ""},
		"refused meanwhile": {&failingStore{Store: h.DB, staged: func() error {
			h.Update(func(tx store.Tx) error { return h.Registry.DisableAgent(tx, h.Operator, "bot") })
			return nil
		}}, h.ctx, ""},
	} {
		if err := submit(c.db, c.ctx, c.key); err == nil {
			t.Errorf("%s: submitted", name)
		}
		h.Update(func(tx store.Tx) error { return h.Registry.EnableAgent(tx, h.Operator, "bot") })
		if n := len(bodies(t, h.Dir)); n != 1 {
			t.Errorf("%s: %d files, want 1", name, n)
		}
	}
	again := &failingStore{Store: h.DB}
	again.staged = func() error { // another request with the same key is faster
		again.staged = nil
		return submit(h.DB, h.ctx, "twice")
	}
	if err := submit(again, h.ctx, "twice"); err != nil {
		t.Errorf("a repetition: %v", err)
	}
	if n := len(bodies(t, h.Dir)); n != 2 {
		t.Errorf("a repetition: %d files, want 2", n)
	}
}

func TestASizeThatTheDiskCannotTakeIsNotAdmitted(t *testing.T) {
	h := build(t)
	if err := h.Gate.Admit(h.ctx, h.Agent, h.Box, 1<<60, nil); mail.WordOf(err) != "disk_full" {
		t.Errorf("got %v, want disk_full", err)
	}
	if err := h.Gate.Admit(h.ctx, h.Agent, h.Box, 1000, nil); err != nil {
		t.Error(err)
	}
}
