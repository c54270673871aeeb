package mail

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func envelope(rcpts ...string) Envelope {
	e := Envelope{From: MustAddress("bot@a.test"), Body: "8BITMIME", Ret: "HDRS", EnvID: "QQ1"}
	for _, r := range rcpts {
		e.Rcpts = append(e.Rcpts, Rcpt{Addr: MustAddress(r), Standing: Pending})
	}
	return e
}

// The form is part of the interface: an auditor computes it without this code.
func TestDigestIsSHA256OverLengthFramedFields(t *testing.T) {
	frames := []string{"multimail-digest-v1", "bot@a.test", "8BITMIME", "HDRS", "QQ1",
		"\x00\x00\x00\x00\x00\x00\x00\x02",
		"a@x.test", "FAILURE,DELAY", "rfc822;a@x.test",
		"b@x.test", "", "",
		"raw\r\n"}
	h := sha256.New()
	for _, f := range frames {
		h.Write([]byte{0, 0, 0, 0, 0, 0, 0, byte(len(f))})
		h.Write([]byte(f))
	}
	env := envelope("b@x.test", "a@x.test")
	env.Rcpts[1].Notify = []string{"FAILURE", "DELAY"}
	env.Rcpts[1].ORcpt = "rfc822;a@x.test"
	if got, want := DigestOf(env, []byte("raw\r\n")), hex.EncodeToString(h.Sum(nil)); string(got) != want {
		t.Errorf("digest %s, want %s", got, want)
	}
}

func TestDigestChangesWithEveryFieldAnApproverJudges(t *testing.T) {
	raw := []byte("Subject: x\r\n\r\nbody\r\n")
	base := DigestOf(envelope("a@x.test", "b@x.test"), raw)
	for name, change := range map[string]func(*Envelope, *[]byte){
		"sender":            func(e *Envelope, _ *[]byte) { e.From = MustAddress("c@a.test") },
		"null sender":       func(e *Envelope, _ *[]byte) { e.From = Address{} },
		"body type":         func(e *Envelope, _ *[]byte) { e.Body = "" },
		"ret":               func(e *Envelope, _ *[]byte) { e.Ret = "FULL" },
		"envid":             func(e *Envelope, _ *[]byte) { e.EnvID = "" },
		"one octet":         func(_ *Envelope, r *[]byte) { *r = append([]byte("s"), (*r)[1:]...) },
		"trailing octet":    func(_ *Envelope, r *[]byte) { *r = append((*r)[:len(*r):len(*r)], '\n') },
		"recipient added":   func(e *Envelope, _ *[]byte) { e.Rcpts = append(e.Rcpts, Rcpt{Addr: MustAddress("z@x.test")}) },
		"recipient removed": func(e *Envelope, _ *[]byte) { e.Rcpts = e.Rcpts[:1] },
		"recipient changed": func(e *Envelope, _ *[]byte) { e.Rcpts[0].Addr = MustAddress("A@x.test") },
		"notify":            func(e *Envelope, _ *[]byte) { e.Rcpts[0].Notify = []string{"NEVER"} },
		"orcpt":             func(e *Envelope, _ *[]byte) { e.Rcpts[0].ORcpt = "rfc822;a@x.test" },
		"octets moved from ret to envid": func(e *Envelope, _ *[]byte) {
			e.Ret, e.EnvID = "HDR", "SQQ1"
		},
	} {
		env, r := envelope("a@x.test", "b@x.test"), raw
		change(&env, &r)
		if DigestOf(env, r) == base {
			t.Errorf("%s changed and the digest did not", name)
		}
	}
}

func TestDigestIgnoresOrderStandingAndCopies(t *testing.T) {
	raw := []byte("x")
	base := DigestOf(envelope("a@x.test", "b@x.test"), raw)
	env := envelope("b@x.test", "a@x.test", "boss@op.test")
	env.Rcpts[0].Standing = Delivered
	env.Rcpts[2].Copy = true
	if DigestOf(env, raw) != base {
		t.Error("the digest changed although what leaves did not")
	}
	if env.Rcpts[0].Addr != MustAddress("b@x.test") {
		t.Error("DigestOf reordered its argument")
	}
}

func TestParseDigestTakes64LowercaseHexDigits(t *testing.T) {
	good := string(DigestOf(Envelope{}, nil))
	if d, err := ParseDigest(good); err != nil || string(d) != good {
		t.Errorf("%v %v", d, err)
	}
	for _, bad := range []string{"", good[1:], good + "0", "G" + good[1:], "A" + good[1:], " " + good[1:]} {
		if _, err := ParseDigest(bad); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
}
