package httpd

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/mail"
)

// What the wrappers around a listener hide from http.Server, the record of a
// mail does not say.
func TestAMailSentOverHTTPSIsRecordedAsSubmittedOverTLS(t *testing.T) {
	h := newFixture(t)
	ts := httptest.NewTLSServer(nil) // for its certificate and a client that trusts it
	defer ts.Close()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: ts.TLS.Certificates}
	go func() { done <- h.s.ServeTLS(l, config) }()
	defer func() {
		if err := errors.Join(h.s.Shutdown(context.Background()), <-done); err != nil {
			t.Error(err)
		}
	}()
	req, err := http.NewRequest("POST", "https://"+l.Addr().String()+"/v1/send",
		strings.NewReader(`{"to":["ada@b.example"],"subject":"s","markdown":"m"}`))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+h.keys["sender"])
	req.Header.Set("Content-Type", "application/json")
	resp, err := ts.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	ts.Client().CloseIdleConnections()
	if err != nil || resp.StatusCode/100 != 2 {
		t.Fatalf("%d %s, %v", resp.StatusCode, body, err)
	}
	id := into[api.Receipt](h, reply{body: string(body)}).ID
	m, err := h.Queue.Mail(t.Context(), mail.ID(id))
	if err != nil {
		t.Fatal(err)
	}
	if !m.Encrypted {
		t.Error("the record says that the mail came in without TLS")
	}
}

// A client that connects and never finishes its handshake holds a connection
// for as long as one that never finishes its header, no longer.
func TestAnUnfinishedTLSHandshakeIsCutAfterSeconds(t *testing.T) {
	ts := httptest.NewTLSServer(nil)
	config := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: ts.TLS.Certificates}
	ts.Close()
	synctest.Test(t, func(t *testing.T) {
		h := newFixture(t)
		l := newPipeListener()
		done := make(chan error, 1)
		go func() { done <- h.s.ServeTLS(l, config) }()
		c := l.dial()
		start := time.Now()
		go c.Write([]byte{22, 3, 1}) // the first octets of a record
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Error("an octet came out of nowhere")
		}
		if got := time.Since(start); got != headerTimeout {
			t.Errorf("cut after %s, want %s", got, headerTimeout)
		}
		h.s.Shutdown(context.Background())
		<-done
	})
}
