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
func (s *Server) auditLog(ctx context.Context, _ caller, in api.AuditQuery) (out api.AuditLog, _ error) {
	limit, before := in.Limit, uint64(0)
	if in.Cursor != "" {
		var err error
		if before, err = strconv.ParseUint(in.Cursor, 10, 64); err != nil || before == 0 {
			return out, invalid("cursor is not one of this server")
		}
	}
	var entries []audit.Entry
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		entries, err = s.o.Audit.List(tx, before, limit)
		return err
	})
	if err != nil {
		return out, err
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
			return out, err
		case !taken:
			s.o.Metrics.Limits.WithLabelValues(string(mail.LimitListSize)).Inc()
			return api.AuditLog{Entries: list.items, Cursor: strconv.FormatUint(entries[i-1].Seq(), 10)}, nil
		case i == limit-1 && e.Seq() > 0:
			next = strconv.FormatUint(e.Seq(), 10)
		}
	}
	return api.AuditLog{Entries: list.items, Cursor: next}, nil
}

func entryOf(e audit.Entry) api.AuditEntry {
	r := e.Record()
	v := api.AuditEntry{
		ID: strconv.FormatUint(e.Seq(), 10), Hash: e.Hash.String(), Time: e.Time(), Kind: string(r.Kind),
		Mail: r.Mail, Rev: r.Rev, Digest: r.Digest, Actor: api.Actor{Kind: r.Actor.Kind, ID: r.Actor.ID},
		Facts: r.Facts, Private: r.Private, Leaf: e.Leaf, Damaged: e.Damaged,
		Action: string(r.Kind), CreatedAt: e.Time(), ActorKeyID: r.Private["credential"],
	}
	if r.Mail != "" {
		v.ResourceType, v.ResourceID = "email", r.Mail
	}
	return v
}

// auditExport streams the log. A stream that breaks off must not pass for
// a whole one, so it ends in a line that no entry has.
func (s *Server) auditExport(
	ctx context.Context, c caller, in api.ExportQuery, w http.ResponseWriter, _ *http.Request,
) error {
	out := &steady{w: w, stall: s.stall}
	h := w.Header()
	h.Set("Content-Type", "application/jsonl")
	h.Set("Cache-Control", "no-store")
	o := audit.ExportOptions{Openings: in.Openings, Since: in.Since}
	err := s.o.Audit.Export(ctx, s.o.Store, out, o)
	if err != nil {
		s.o.Log.Error("export", "actor", c.ID(), "err", err)
		io.WriteString(out, `{"error":"the export broke off"}`+"\n")
	}
	return nil
}

// auditVerify checks the chains, the decisions and the records. A fault found is an answer, not an error.
func (s *Server) auditVerify(ctx context.Context, c caller, _ api.None) (out api.AuditReport, _ error) {
	report, err := s.o.Gate.VerifyLog(ctx)
	if errors.Is(err, context.Canceled) || errors.Is(err, store.ErrClosed) {
		return out, err
	}
	v := api.AuditReport{OK: err == nil, Chains: []api.AuditChain{},
		Entries: report.Entries, Mails: report.Mails, Settings: report.Settings, From: report.From, To: report.To}
	if err != nil {
		v.Error = err.Error()
		s.o.Log.Error("verify", "err", err)
	}
	for _, c := range report.Chains {
		v.Chains = append(v.Chains, api.AuditChain{Chain: c.Chain, Size: c.Size,
			Head: c.Head.String(), Root: c.Root.String(), Erased: c.Erased})
	}
	return v, nil
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
