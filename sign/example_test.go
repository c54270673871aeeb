package sign_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

// A receiver checks a mail. fetch stands for an HTTPS request to
// iss/.well-known/multimail-signing-key, kept for a day. With TXT in the Lookup
// DKIM is checked too, and nothing is left unbound.
func ExampleVerify() {
	eml, fetch := arrive()
	v := sign.Verify(eml, sign.Lookup{Document: fetch})
	fmt.Println(v.Status)
	fmt.Println(v.Claims.Operator, "answers for", v.Claims.Subject)
	fmt.Println("oversight", v.Claims.Mode, "released by", v.Claims.Approval.By)
	fmt.Println("not bound without DKIM:", v.Unbound)

	changed := strings.Replace(string(eml), "Monday", "Sunday", 1)
	v = sign.Verify([]byte(changed), sign.Lookup{Document: fetch})
	fmt.Println(v.Status)
	for _, c := range v.Checks {
		fmt.Println(c.Name, c.OK)
	}
	// Output:
	// valid
	// Example Ltd answers for bot@example.com
	// oversight autonomous released by none
	// not bound without DKIM: [Date From (names) To (names)]
	// unbound
	// message true
	// header true
	// from true
	// issuer true
	// key true
	// signature true
	// sender true
	// message_id true
	// body false
	// content false
	// recipients true
	// ai_generated true
	// date true
}

// arrive plays the sender: it makes a key for the domain, when that is
// configured, and stamps one mail.
func arrive() (eml []byte, fetch func(iss, kid string) ([]byte, error)) {
	dir, err := os.MkdirTemp("", "sign")
	if err != nil {
		log.Fatal(err)
	}
	now := time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)
	keys := sign.OpenKeys(dir)
	if err := keys.Ensure("example.com", now); err != nil {
		log.Fatal(err)
	}
	doc, err := keys.Document("example.com")
	if err != nil {
		log.Fatal(err)
	}
	msg, err := message.Read([]byte("From: bot@example.com\r\nTo: ann@x.test\r\n\r\nSee you on Monday.\r\n"),
		message.ReadOptions{Now: now})
	if err != nil {
		log.Fatal(err)
	}
	ref := strings.Repeat("ab", 32) // the audit entry of the submission
	m := &mail.Mail{
		ID: mail.NewID(now), Header: msg.Header, SubmitRef: ref, SubmittedAt: now,
		Release: &mail.Release{
			Mode: mail.Autonomous, By: "none", At: now, Ref: ref, Operator: "Example Ltd",
			Capabilities: []string{"read", "send"},
		},
	}
	line, err := sign.NewStamper(keys).Stamp(context.Background(), m, msg.Raw)
	if err != nil {
		log.Fatal(err)
	}
	if err := os.RemoveAll(dir); err != nil {
		log.Fatal(err)
	}
	return append(line, msg.Raw...), func(string, string) ([]byte, error) { return doc, nil }
}
