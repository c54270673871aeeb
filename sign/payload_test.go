package sign

import (
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

// payloadVector is one entry of docs/vectors/payload.json.
type payloadVector struct {
	Name    string
	Release struct {
		Agent        string
		AgentRef     mail.RefPolicy `json:"agent_ref"`
		Operator     string
		Mode         mail.Mode
		Verified     bool `json:"verified_operator"`
		Capabilities []string
		JTI          mail.ID
		IAT          int64
		Approval     struct {
			At        int64
			By, Entry string
		}
		Rewrites []string
	}
	Mail    string
	Payload string
	Octets  int
}

// mail returns the mail that states this release.
func (v payloadVector) mail(t *testing.T) (m *mail.Mail, raw []byte) {
	t.Helper()
	raw = octets(v.Mail)
	msg, err := message.Read(raw, message.ReadOptions{Now: noon})
	if err != nil {
		t.Fatalf("%s: %v", v.Name, err)
	}
	r := v.Release
	at := time.Unix(r.Approval.At, 0).UTC()
	m = &mail.Mail{
		ID: r.JTI, Digest: "d", Header: msg.Header, BodyHash: msg.BodyHash, Mailbox: msg.Header.From,
		SubmitRef: r.Approval.Entry, SubmittedAt: at,
		Decisions: []mail.Decision{{Kind: r.Approval.By, Approve: true, Digest: "d", At: at, Ref: r.Approval.Entry}},
		Release: &mail.Release{
			Mode: r.Mode, By: r.Approval.By, At: time.Unix(r.IAT, 0).UTC(), Ref: r.Approval.Entry, Operator: r.Operator,
			AgentRef: r.Agent, RefPolicy: r.AgentRef, Verified: r.Verified, Capabilities: r.Capabilities,
		},
	}
	return m, raw
}

// The payload of a token is the same octets for everybody who states the same.
// The vectors were made by another program.
func TestThePublishedPayloadVectors(t *testing.T) {
	var file struct {
		Key       struct{ Kid, D string }
		RefKey    string `json:"agent_ref_key"`
		Protected string
		Vectors   []payloadVector
	}
	readVectors(t, "payload.json", &file)
	secret, err := decode(file.Key.D)
	if err != nil {
		t.Fatal(err)
	}
	refKey, err := decode(file.RefKey)
	if err != nil {
		t.Fatal(err)
	}
	h := newFixture(t)
	k := keyOf(t, secret)
	h.rewriteWith(refKey, k)
	forms := map[string]int{}
	for _, v := range file.Vectors {
		m, raw := v.mail(t)
		rewrites, err := mail.ParseRewrites(v.Release.Rewrites)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
		}
		line, err := NewStamper(h.keys).Rewriting(rewrites).Stamp(t.Context(), m, raw)
		if err != nil {
			t.Errorf("%s: %v", v.Name, err)
			continue
		}
		eml := string(line) + string(raw)
		token := tokenOf(t, eml)
		if got := part(t, token, 1); got != v.Payload {
			t.Errorf("%s: payload\n%s\nwant\n%s", v.Name, got, v.Payload)
		}
		if got := part(t, token, 0); got != file.Protected || k.Name != file.Key.Kid {
			t.Errorf("%s: protected header %s of %s\nwant %s", v.Name, got, k.Name, file.Protected)
		}
		if got := strings.Index(eml, "\r\n") + 2; got != v.Octets || got > maxLine {
			t.Errorf("%s: a line of %d octets, want %d", v.Name, got, v.Octets)
		}
		if got := h.verify(eml); got.Status != Valid {
			t.Errorf("%s: %s, failed %q", v.Name, got.Status, failed(got))
		}
		for _, claim := range []string{`"mid"`, `"rh"`, `"th"`, `"agent_ref"`} {
			if !strings.Contains(v.Payload, claim) {
				forms[claim]++
			}
		}
	}
	if len(file.Vectors) < 20 || len(forms) != 4 {
		t.Errorf("%d vectors, without an optional claim: %v", len(file.Vectors), forms)
	}
}
