//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// keysOf returns the names of the keys that sign, by purpose and algorithm.
func (h *daemon) keysOf(state string) map[string]string {
	h.t.Helper()
	var list []struct{ Purpose, Key, Algorithm, State string }
	decode(h.t, h.must("signing-key", "list", h.dev.Domain, "--json"), &list)
	keys := map[string]string{}
	for _, k := range list {
		if k.State == state {
			keys[k.Purpose+" "+k.Algorithm] = k.Key
		}
	}
	return keys
}

// Mail from before and after a rotation is verified by mailauth, dkimpy and jose,
// with the DNS and the key set of after. The rotation is one out of turn, which
// does not wait for two days.
func TestMailOfBeforeAndAfterARotationIsVerifiedByOtherPrograms(t *testing.T) {
	h := start(t)
	send := func(subject string) (file string) {
		h.swaks(subject, "--tls", "--port", h.dev.port())
		m := h.only(subject)
		h.approveAndCapture(m, 1)
		return h.captured(m.ID)[0]
	}
	before := send("before")
	old := h.keysOf("current")
	if len(old) != 3 {
		t.Fatalf("keys that sign: %v", old)
	}
	h.must("signing-key", "rotate", h.dev.Domain)
	if next := h.keysOf("next"); len(next) != 3 {
		t.Fatalf("next keys: %v", next)
	}
	during := send("during")
	for _, name := range old {
		h.must("signing-key", "revoke", h.dev.Domain, name, "--reason", "superseded")
	}
	after, now := send("after"), h.keysOf("current")
	for kind, name := range now {
		if old[kind] == name || old[kind] == "" {
			t.Errorf("%s is still %s", kind, name)
		}
	}
	if len(now) != 3 {
		t.Fatalf("keys that sign: %v", now)
	}
	zone := h.zone()
	for _, file := range []string{before, during, after} {
		h.verifyBy(file, zone, "jwks.json")
	}
	h.verify(after, zone)

	// What a compromised key signed counts no more, for nobody.
	h.must("signing-key", "rotate", h.dev.Domain, "--now", "--reason", "compromised", "--purpose", "identity")
	r := h.cli("verify", after)
	if r.code == 0 || !strings.Contains(r.out, "compromised") {
		t.Errorf("mail of a compromised key: exit %d\n%s%s", r.code, r.out, r.err)
	}
	h.must("verify", "--received", time.Now().Add(-time.Minute).UTC().Format(time.RFC3339), after)
	h.must("signing-key", "rotate", h.dev.Domain, "--now", "--reason", "compromised", "--purpose", "dkim")
	h.verifyBy(send("last"), h.zone(), "jwks.json")
	h.must("audit", "verify")
}
