package httpd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// auditLog lists the log, newest first.
func (s *Server) auditLog(r *request) (answer, error) {
	limit, err := r.number("limit", 50, 1, maxPage)
	if err != nil {
		return answer{}, err
	}
	var before uint64
	if text := r.one("cursor"); text != "" {
		if before, err = strconv.ParseUint(text, 10, 64); err != nil || before == 0 {
			return answer{}, invalid("cursor is not one of ours")
		}
	}
	var entries []audit.Entry
	err = s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		entries, err = s.o.Audit.List(tx, before, limit)
		return err
	})
	if err != nil {
		return answer{}, err
	}
	list, next := newPage[api.AuditEntry](limit), ""
	for i, e := range entries {
		brief := api.AuditEntry{ID: strconv.FormatUint(e.Seq(), 10), Hash: e.Hash.String(), Damaged: true}
		v := brief
		if !e.Damaged || e.Leaf != "" {
			v = entryOf(e)
		}
		taken, err := list.add(v, brief)
		switch {
		case err != nil:
			return answer{}, err
		case !taken:
			s.o.Metrics.Limits.WithLabelValues(string(mail.LimitListSize)).Inc()
			return ok(api.AuditLog{Entries: list.items, Cursor: strconv.FormatUint(entries[i-1].Seq(), 10)})
		case i == limit-1 && e.Seq() > 0:
			next = strconv.FormatUint(e.Seq(), 10)
		}
	}
	return ok(api.AuditLog{Entries: list.items, Cursor: next})
}

func entryOf(e audit.Entry) api.AuditEntry {
	r := e.Record()
	return api.AuditEntry{
		ID: strconv.FormatUint(e.Seq(), 10), Hash: e.Hash.String(), Time: e.Time(), Kind: string(r.Kind),
		Mail: r.Mail, Rev: r.Rev, Digest: r.Digest, Actor: api.Actor{Kind: r.Actor.Kind, ID: r.Actor.ID},
		Facts: r.Facts, Private: r.Private, Leaf: e.Leaf, Damaged: e.Damaged,
	}
}

// auditExport streams the log. A stream that breaks off must not look whole,
// so it ends in a line that no entry looks like.
func (s *Server) auditExport(r *request) (answer, error) {
	since, err := r.when("since", time.Time{})
	if err != nil {
		return answer{}, err
	}
	if v := r.one("openings"); v != "" && v != "1" {
		return answer{}, invalid("openings must be 1")
	}
	out := &steady{w: r.w, stall: s.stall}
	h := r.w.Header()
	h.Set("Content-Type", "application/jsonl")
	h.Set("Cache-Control", "no-store")
	o := audit.ExportOptions{Openings: r.one("openings") == "1", Since: since}
	err = s.o.Audit.Export(r.Context(), s.o.Store, out, o)
	if err != nil {
		s.o.Log.Error("export", "actor", r.p.ID(), "err", err)
		io.WriteString(out, `{"error":"the export broke off"}`+"\n")
	}
	return answer{}, nil
}

// auditVerify checks the chains, the decisions and the records. A fault found is an answer, not an error.
func (s *Server) auditVerify(r *request) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	report, err := s.o.Gate.VerifyLog(r.Context())
	if errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
		return answer{}, err
	}
	v := api.AuditReport{OK: err == nil, Chains: []api.AuditChain{},
		Entries: report.Entries, Mails: report.Mails, From: report.From, To: report.To}
	if err != nil {
		v.Error = err.Error()
		s.o.Log.Error("verify", "err", err)
	}
	for _, c := range report.Chains {
		v.Chains = append(v.Chains, api.AuditChain{Chain: c.Chain, Size: c.Size,
			Head: c.Head.String(), Root: c.Root.String(), Erased: c.Erased})
	}
	return ok(v)
}

// exportStall is how long a client of an export may read nothing.
const exportStall = 30 * time.Second

// steady writes an answer of any length to a client that goes on reading: each
// write has so much time, the whole has no end.
type steady struct {
	w     http.ResponseWriter
	stall time.Duration
}

// Write implements io.Writer.
func (s *steady) Write(p []byte) (int, error) {
	err := http.NewResponseController(s.w).SetWriteDeadline(time.Now().Add(s.stall))
	if err != nil && !errors.Is(err, http.ErrNotSupported) { // in-process there is nothing to cut
		return 0, fmt.Errorf("httpd: export: %w", err)
	}
	return s.w.Write(p)
}
