package sign

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
)

func TestTheHeaderSaysExactlyWhatTheReleaseSays(t *testing.T) {
	h := newFixture(t)
	eml := h.stamped()
	token := tokenOf(t, eml)
	d, err := h.keys.load(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := part(t, token, 0),
		`{"alg":"ES256","kid":"`+d.current().Name+`","typ":"multimail-identity+jwt"}`; got != want {
		t.Errorf("protected header %s\nwant %s", got, want)
	}
	want := `{"agent_ref":"a1","ai_generated":true,` +
		`"approval":{"at":1772622000,"by":"reviewer","ref":"_-7dzLuqmYh3ZlVEMyIRAA"},` +
		`"bh":"` + message.BodyHash([]byte(sample)) + `","capabilities":["read","schedule","send"],` +
		`"iat":1772625600,"iss":"https://example.com","jti":"01JZZZZZZZZZZZZZZZZZZZZZZZ",` +
		`"mid":"` + shortHash("1@example.com") + `","operator":"Example & Söhne","oversight_mode":"gated_send",` +
		`"rh":"` + shortHash("ann@x.test\nbob@y.test\ncarl@z.test") + `","service":"multimail",` +
		`"sub":"bot@example.com","th":"2jMdxQzZEHoCFCIuna09Hg","verified_operator":true}`
	if got := part(t, token, 1); got != want {
		t.Errorf("payload\n%s\nwant\n%s", got, want)
	}
	if line, _, _ := strings.Cut(eml, "\r\n"); line != HeaderName+": "+token {
		t.Errorf("the line is not name, colon, space, token: %q", line)
	}
}

// Two lines of a stock library must do: import the document, verify the token.
func TestAStockLibraryChecksTheTokenWithTheDocumentAlone(t *testing.T) {
	h := newFixture(t)
	token := tokenOf(t, h.stamped())
	doc, err := h.keys.Document(testDomain)
	if err != nil {
		t.Fatal(err)
	}
	var key jose.JSONWebKey
	if err := json.Unmarshal(doc, &key); err != nil {
		t.Fatal(err)
	}
	parsed, err := jwt.Parse(token, func(*jwt.Token) (any, error) { return key.Key, nil },
		jwt.WithValidMethods([]string{"ES256"}), jwt.WithTimeFunc(func() time.Time { return noon }))
	if err != nil || !parsed.Valid {
		t.Errorf("golang-jwt: %v", err)
	}
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(doc, &set); err != nil {
		t.Fatal(err)
	}
	jws, err := jose.ParseSigned(token, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := jws.Verify(set); err != nil {
		t.Errorf("go-jose with the set: %v", err)
	}
}

// Invariant 7: every row makes a mail that must not be stamped.
func TestNothingIsStampedOnDoubt(t *testing.T) {
	h := newFixture(t)
	other := OpenKeys(t.TempDir())
	for _, tt := range []struct {
		name   string
		change func(m *mail.Mail)
		raw    string
		keys   *Keyring
		want   string
	}{
		{name: "no release", change: func(m *mail.Mail) { m.Release = nil }, want: "not released"},
		{name: "no time", change: func(m *mail.Mail) { m.Release.At = time.Time{} }, want: "not released"},
		{name: "no key", keys: other, want: "no such file"},
		{name: "no operator", change: func(m *mail.Mail) { m.Release.Operator = "" }, want: "no operator"},
		{name: "unknown mode", change: func(m *mail.Mail) { m.Release.Mode = 9 }, want: "mode"},
		{name: "unknown capability", change: func(m *mail.Mail) {
			m.Release.Capabilities = []string{"root"}
		}, want: "capability"},
		{name: "unknown approver", change: func(m *mail.Mail) { m.Release.By = "" }, want: "kind of approver"},
		{name: "no decision", change: func(m *mail.Mail) { m.Decisions = nil }, want: "no approval"},
		{name: "human claimed, reviewer decided", change: func(m *mail.Mail) { m.Release.By = "human" }, want: "no approval"},
		{name: "rejection", change: func(m *mail.Mail) { m.Decisions[0].Approve = false }, want: "no approval"},
		{name: "decision on other bytes", change: func(m *mail.Mail) { m.Digest = "e" }, want: "no approval"},
		{name: "decision of another entry", change: func(m *mail.Mail) { m.Release.Ref = submitRef }, want: "no approval"},
		{name: "allowlist, wrong entry", change: func(m *mail.Mail) { m.Release.By = "allowlist" }, want: "submission"},
		{name: "short entry hash", change: func(m *mail.Mail) {
			m.Release.By, m.Release.Ref, m.SubmitRef = "none", "0011", "0011"
		}, want: "no audit entry"},
		{name: "entry hash not in hex", change: func(m *mail.Mail) {
			m.Release.By, m.Release.Ref, m.SubmitRef = "none", strings.Repeat("x", 64), strings.Repeat("x", 64)
		}, want: "no audit entry"},
		{name: "another From in the record", change: func(m *mail.Mail) {
			m.Header.From = mail.MustAddress("boss@example.com")
		}, want: "another From"},
		{name: "an identity header from the agent", raw: HeaderName + ": x\r\n" + sample, want: "already"},
		{name: "no From", raw: strings.Replace(sample, "From:", "X:", 1), want: "From"},
		{name: "two From", raw: "From: bot@example.com\r\n" + sample, want: "From"},
		{name: "a From that names nobody", raw: "From: nobody\r\n" + sample, want: "From"},
		{name: "no Message-ID", raw: strings.Replace(sample, "Message-ID:", "X:", 1), want: "Message-ID"},
	} {
		m, raw, keys := released(t, sample), sample, h.keys
		if tt.change != nil {
			tt.change(m)
		}
		if tt.raw != "" {
			raw = tt.raw
		}
		if tt.keys != nil {
			keys = tt.keys
		}
		line, err := NewStamper(keys).Stamp(context.Background(), m, []byte(raw))
		if err == nil || line != nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %q, %v; want an error with %q", tt.name, line, err, tt.want)
		}
	}
	if _, err := NewStamper(h.keys).Stamp(context.Background(), released(t, sample), []byte(sample)); err != nil {
		t.Errorf("the unchanged mail is refused as well: %v", err)
	}
}

func TestMailThatNobodyDecidedNamesItsSubmission(t *testing.T) {
	h := newFixture(t)
	for _, by := range []string{"allowlist", "none"} {
		m := released(t, sample)
		m.Decisions, m.Release.By, m.Release.Ref = nil, by, submitRef
		v := h.verify(h.stamp(m, sample))
		if v.Claims.Approval != (Approval{m.SubmittedAt.Unix(), by, "ABEiM0RVZneImaq7zN3u_w"}) {
			t.Errorf("%s: %+v", by, v)
		}
	}
}

func TestAgentReferenceIsBareOnlyIfShort(t *testing.T) {
	h := newFixture(t)
	ref := func(agentRef string) string {
		m := released(t, sample)
		m.Release.AgentRef = agentRef
		return h.verify(h.stamp(m, sample)).Claims.AgentRef
	}
	uuid := "01234567-89ab-cdef-0123-456789abcdef"
	for _, s := range []string{"", "a", uuid} {
		if got := ref(s); got != s {
			t.Errorf("%q became %q", s, got)
		}
	}
	one, two := ref(uuid+"1"), ref(uuid+"2")
	if len(one) != 22 || len(two) != 22 || one == two || one != ref(uuid+"1") {
		t.Errorf("hidden references %q and %q", one, two)
	}
	if one == newFixture(t).hidden(uuid+"1") || one != h.hidden(uuid+"1") {
		t.Error("the reference does not depend on the secret of the domain")
	}
	if got := ref("a\xff"); len(got) != 22 {
		t.Errorf("a reference that is not UTF-8 became %q", got)
	}
}

// hidden returns what stands for a long reference in this fixture.
func (h *fixture) hidden(ref string) string {
	d, err := h.keys.load(testDomain)
	if err != nil {
		h.t.Fatal(err)
	}
	return Claims{AgentRef: ref}.forms(d.refKey, mail.RefPlain)[0].AgentRef
}

func TestRecipientHashIsThereOnlyWhenAllParsersAgree(t *testing.T) {
	h := newFixture(t)
	for _, tt := range []struct{ name, to, want string }{
		{"order, case and names do not matter", "To: BOB@Y.test, \"Bob\" <ann@x.TEST>", "ann@x.test\nbob@y.test"},
		{"a group counts as its members", "To: Team: bob@y.test, ann@x.test;", "ann@x.test\nbob@y.test"},
		{"nobody is shown", "To: undisclosed-recipients:;", ""},
		{"no field at all", "X-A: b", ""},
		{"an address in a comment", "To: ann@x.test (was ann@old.test)", "-"},
		{"an address as a name", "To: \"ann@x.test\" <ann@x.test>", "-"},
		{"an address literal", "To: ann@[192.0.2.1]", "-"},
	} {
		raw := strings.NewReplacer("To: Ann <Ann@x.test>, bob@y.test", tt.to, "Cc: carl@z.test\r\n", "").Replace(sample)
		want := ""
		if tt.want != "-" {
			want = shortHash(tt.want)
		}
		v := h.verify(h.stamp(released(t, raw), raw))
		if v.Status != Valid || v.Claims.Recipients != want {
			t.Errorf("%s: %s, rh %q, want %q", tt.name, v.Status, v.Claims.Recipients, want)
		}
	}
}

func BenchmarkStamp(b *testing.B) {
	h := newFixture(b)
	for name, body := range map[string]int{"1KiB": 1 << 10, "1MiB": 1 << 20} {
		raw := []byte(sample + strings.Repeat("0123456789 abcdefghij klmnopqrst 0123456789 abcdefghij\r\n", body/56))
		m, s := released(b, string(raw)), NewStamper(h.keys)
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(raw)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Stamp(b.Context(), m, raw); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
