package message

import (
	"strings"
	"testing"
)

// A verdict or a signature that this installation did not make must not reach
// a recipient who would take it for ours, or for that of a receiver.
func TestReadRemovesVerdictsAndSignaturesInTheOperatorsName(t *testing.T) {
	const sig = "DKIM-Signature: v=1; a=rsa-sha256; s=x; h=from; bh=x; b=x"
	o := readOptions
	o.Domains = []string{"other.test"}
	for _, tt := range []struct {
		name, field string
		stays       bool
	}{
		{"a verdict", "Authentication-Results: mx.a.test; dkim=pass", false},
		{"a verdict in other case, folded", "AUTHENTICATION-results: mx.x.test;\r\n dkim=pass", false},
		{"a verdict on SPF", "Received-SPF: pass", false},
		{"a chain of verdicts", "ARC-Authentication-Results: i=1; mx.a.test; spf=pass", false},
		{"the seal of one", "ARC-Seal: i=1; d=x.test", false},
		{"the signature of one", "ARC-Message-Signature: i=1; d=x.test", false},
		{"a claim about the author", "X-AI-Generated: false", false},
		{"the same claim as ours", "x-ai-generated: true", false},
		{"a signature of the From domain", sig + "; d=a.test", false},
		{"in other case, folded", sig + ";\r\n\td = A.\r\n\tTest ;", false},
		{"of a domain below it", sig + "; d=mail.a.test", false},
		{"of a domain above it", sig + "; d=test", false},
		{"of another domain of the operator", sig + "; d=other.test", false},
		{"of one below that", sig + "; d=x.other.test", false},
		{"of two domains", sig + "; d=x.test; d=a.test", false},
		{"of no domain", sig, false},
		{"of what is no domain", sig + "; d=a.test.", false},
		{"in an old form", "DomainKey-Signature: a=rsa-sha1; d=a.test; b=x", false},
		{"a signature of the author's own service", sig + "; d=x.test", true},
		{"a name that merely ends alike", sig + "; d=nota.test", true},
		{"a field with a longer name", "Authentication-Results-Note: x", true},
		{"a signature that names our domain elsewhere", sig + "; d=x.test; i=@a.test", true},
	} {
		m, err := Read([]byte(tt.field+"\r\n"+complete), o)
		if err != nil {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		want := complete
		if tt.stays {
			want = tt.field + "\r\n" + complete
		}
		if string(m.Raw) != want {
			t.Errorf("%s: got %q", tt.name, strings.TrimSuffix(string(m.Raw), complete))
		}
	}
}

// RFC 5322, section 3.5: message = fields [CRLF body].
func TestReadAddsTheEmptyLineOfAMessageWithoutABody(t *testing.T) {
	head := strings.TrimSuffix(complete, "\r\nHello\r\n")
	for name, raw := range map[string]string{
		"fields alone":              head,
		"the last line without end": strings.TrimSuffix(head, "\r\n"),
		"an empty line, no body":    head + "\r\n",
	} {
		m, err := Read([]byte(raw), readOptions)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if string(m.Raw) != head+"\r\n" {
			t.Errorf("%s: got %q", name, m.Raw)
		}
		checkIdempotent(t, m)
	}
	m, err := Read([]byte("Bcc: x@y.test\r\nFrom: bot@a.test"), readOptions)
	if err != nil || !strings.HasSuffix(string(m.Raw), "\r\nFrom: bot@a.test\r\n\r\n") {
		t.Errorf("completed: %v %v", m, err)
	}
	for name, raw := range map[string]string{
		"text alone":            "Hello\r\n",
		"text after the fields": "From: bot@a.test\r\nHello\r\n",
		"a blank for a line":    "From: bot@a.test\r\n \r\n",
		"nothing":               "",
		"a line end alone":      "\r\n",
	} {
		refused(t, name, raw)
	}
}
