package bench

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/multimail/multimail/delivery"
	"github.com/multimail/multimail/dkim"
	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/systemtest"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// BenchmarkSignature compares what a stamp costs with the bare signature in it:
// identity with ECDSA on P-256, dkim with RSA-2048. The rest is reading the
// message, hashing, the claims, and the check of the signature before it leaves.
func BenchmarkSignature(b *testing.B) {
	now := time.Now()
	dir := b.TempDir()
	identity, signatures := sign.OpenKeys(dir), dkim.OpenKeys(dir, dkim.Options{})
	check(b, identity.Ensure("example.test", now))
	check(b, signatures.Ensure("example.test", now))
	m, raw := released(b, now)
	line, err := sign.NewStamper(identity).Stamp(b.Context(), m, raw)
	check(b, err)
	signed := *m
	signed.Prefix = line

	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(b, err)
	rs, err := rsa.GenerateKey(rand.Reader, 2048)
	check(b, err)
	digest := sha256.Sum256(raw)
	for _, c := range []struct {
		name string
		sign func() error
	}{
		{"ecdsa-bare", func() error { _, err := ecdsa.SignASN1(rand.Reader, ec, digest[:]); return err }},
		{"identity", func() error { _, err := sign.NewStamper(identity).Stamp(b.Context(), m, raw); return err }},
		{"rsa-bare", func() error { _, err := rsa.SignPKCS1v15(rand.Reader, rs, crypto.SHA256, digest[:]); return err }},
		{"dkim", func() error { _, err := dkim.NewStamper(signatures).Stamp(b.Context(), &signed, raw); return err }},
	} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if err := c.sign(); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "signatures/s")
		})
	}
}

func check(b *testing.B, err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// released is the message of 4 KiB as a mail that left without a decision.
func released(b *testing.B, now time.Time) (*mail.Mail, []byte) {
	b.Helper()
	raw := strings.TrimSuffix(string(payload), ".\r\n")
	raw = "Message-ID: <1@example.test>\r\nDate: Fri, 1 May 2026 12:00:00 +0000\r\n" + raw
	msg, err := message.Read([]byte(raw), message.ReadOptions{Now: now})
	check(b, err)
	ref := strings.Repeat("ab", 32)
	return &mail.Mail{ID: "01JZZZZZZZZZZZZZZZZZZZZZZZ", Header: msg.Header, BodyHash: msg.BodyHash, SubmitRef: ref,
		SubmittedAt: now, Release: &mail.Release{At: now, By: "none", Ref: ref, Operator: "Example",
			Mode: mail.Autonomous}}, msg.Raw
}

// timed is a stamp that counts how long it takes.
type timed struct {
	stamp delivery.Stamp
	spent *atomic.Int64 // nanoseconds
}

// Stamp makes the stamp.
func (s timed) Stamp(ctx context.Context, m *mail.Mail, raw []byte) ([]byte, error) {
	begun := time.Now()
	defer func() { s.spent.Add(int64(time.Since(begun))) }()
	return s.stamp.Stamp(ctx, m, raw)
}

// BenchmarkRelease takes mails from ready to sent, one after the other: pick,
// stamps, the commits of claim and result, and a next hop that takes everything
// at once. It reports which share of that time the two signatures take.
func BenchmarkRelease(b *testing.B) {
	const batch = 50
	e := systemtest.NewExample(b)
	e.SetMode(mail.Autonomous)
	identity, signatures := sign.OpenKeys(e.Dir), dkim.OpenKeys(e.Dir, dkim.Options{})
	check(b, identity.Ensure("example.test", e.Clock.Now()))
	check(b, signatures.Ensure("example.test", e.Clock.Now()))
	var spent atomic.Int64
	var err error
	e.Delivery, err = delivery.New(e.DB, e.Gate, e.Ledger, e.Nodes, e.Hop, delivery.Options{
		Node: systemtest.Node, Log: systemtest.Quiet, Workers: 1, Lease: 15 * time.Minute,
		FirstRetry: time.Minute, MaxRetry: 4 * time.Hour,
		Stamps: []delivery.Stamp{timed{sign.NewStamper(identity), &spent}, timed{dkim.NewStamper(signatures), &spent}},
	})
	check(b, err)
	want := 0
	for b.Loop() {
		b.StopTimer()
		for range batch {
			e.Submit()
			e.Clock.Forward(time.Second)
		}
		want += batch
		b.StartTimer()
		e.RunQueue(func() bool { return len(e.Hop.Sent()) >= want })
	}
	b.ReportMetric(float64(want)/b.Elapsed().Seconds(), "mails/s")
	b.ReportMetric(100*float64(spent.Load())/float64(b.Elapsed()), "%signing")
}
