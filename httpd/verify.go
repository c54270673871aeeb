package httpd

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
	"github.com/multimail/multimail/sign"
)

const (
	// verifyPerMinute is how many verifications of one credential may ask other
	// domains. What they ask is chosen by whoever wrote the mail.
	verifyPerMinute = 60
	// lookupTime bounds what one verification waits for others.
	lookupTime = 15 * time.Second
)

// Sources of keys, beside https.
const (
	sourceDNS     = "dns"
	sourceOffline = "offline"
	sourceDaemon  = "daemon" // of the report alone
)

// verifyMail checks the identity header of a mail. Keys of our own domains come
// from the keyrings, so that a mail can be checked before anything is published.
func (s *Server) verifyMail(ctx context.Context, c caller, in api.VerifyRequest) (out api.Verification, err error) {
	eml, err := base64.StdEncoding.DecodeString(in.Mail)
	switch {
	case err != nil || len(eml) == 0:
		return out, invalid("mail must be a whole message in base64")
	case int64(len(eml)) > s.o.MaxSize:
		return out, mail.ErrTooLarge.Errorf("message too large").Over(mail.LimitMessageSize)
	}
	a := &inquiry{source: "https", answers: map[string]finding{}}
	if in.Key != "" {
		if a.given, err = sign.FromFile([]byte(in.Key)); err != nil {
			return out, invalid("key: %s", err)
		}
		a.source = "file"
	}
	if in.Source == sourceDNS && in.Key == "" {
		a.dns, a.source = true, sourceDNS
	}
	v, err := s.verifyWith(ctx, c, eml, a, in.Source == sourceOffline || s.o.Published == nil)
	if err != nil {
		return out, err
	}
	b, err := json.Marshal(v.Report(a.source))
	if err == nil {
		err = json.Unmarshal(b, &out)
	}
	return out, err
}

// verifyWith verifies with the answers that are there, and looks up what they
// lacked, until nothing is missing. No turn is held while others are waited for:
// their servers may be as slow as they like.
func (s *Server) verifyWith(
	ctx context.Context, c caller, eml []byte, a *inquiry, offline bool,
) (v sign.Verification, err error) {
	waiting, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	for charged := false; ; {
		err := s.work(ctx, c, func() error {
			v = sign.Verify(eml, a.lookup())
			return nil
		})
		if err != nil {
			return v, err
		}
		missing := s.fromKeyrings(ctx, a)
		switch {
		case len(missing) == 0 && !a.again:
			return v, nil
		case len(missing) == 0:
			continue
		case offline:
			a.refuse(missing)
			continue
		case !charged:
			charged = true
			if wait := s.lookups.Take(c.ID() + " " + c.Credential.ID); wait > 0 {
				return v, tooFast(mail.LimitVerifyRate, wait,
					"too many verifications with this credential that ask other domains")
			}
		}
		leave, err := s.waiters.enter(c.Principal)
		if err != nil {
			return v, err
		}
		a.ask(s.o.Published(waiting), missing)
		leave()
	}
}

// fromKeyrings answers what our own keyrings know and returns what is left.
func (s *Server) fromKeyrings(ctx context.Context, a *inquiry) (left []question) {
	a.again = len(a.missing) > 0
	for _, q := range a.missing {
		domain := q.domain()
		own := s.o.Store.View(ctx, func(tx store.Tx) error {
			_, err := s.o.Registry.Domain(tx, domain)
			return err
		}) == nil
		switch {
		case !own:
			left = append(left, q)
		case q.iss != "":
			doc, err := s.o.Identity.Document(domain)
			a.answers[q.key()], a.source = finding{document: doc, err: err}, sourceDaemon
		case q.name == sign.RecordName(domain):
			_, txt, err := s.o.Identity.DNS(domain)
			a.answers[q.key()], a.source = finding{records: []string{txt}, err: err}, sourceDaemon
		default:
			a.answers[q.key()] = s.ownRecords(domain, q.name)
		}
	}
	a.missing = nil
	return left
}

// ownRecords returns the DKIM records of a name below one of our domains.
func (s *Server) ownRecords(domain, name string) (out finding) {
	records, err := s.o.DKIM.Records(domain)
	out.err = err
	for _, r := range records {
		if strings.EqualFold(r.Name, name) {
			out.records = append(out.records, r.TXT)
		}
	}
	return out
}

// question is what a verification has to look up: a key document, or records.
type question struct {
	iss, kid string // of a key document
	name     string // of TXT records
}

func (q question) key() string { return q.iss + " " + q.name }

// domain is whose keys are asked for.
func (q question) domain() string {
	if q.iss != "" {
		return strings.TrimPrefix(q.iss, "https://")
	}
	return sign.RecordDomain(q.name)
}

// finding is what was found.
type finding struct {
	document []byte
	records  []string
	err      error
}

// inquiry keeps what one verification has looked up.
type inquiry struct {
	source    string // of the identity key, as the report calls it
	given     []byte // the document that the caller gave
	dns       bool   // the identity key is taken from the DNS
	noRecords bool   // DKIM is not checked

	mu      sync.Mutex // the DKIM library looks several keys up at once
	answers map[string]finding
	missing []question
	again   bool // something was missing the last time
}

var (
	errMissing = errors.New("not looked up yet")
	errOffline = errors.New("nobody was asked for it")
)

// lookup gives the answers that are there and notes the questions without one.
func (a *inquiry) lookup() sign.Lookup {
	txt := func(name string) ([]string, error) {
		found := a.find(question{name: strings.ToLower(name)})
		return found.records, found.err
	}
	l := sign.Lookup{Document: func(iss, kid string) ([]byte, error) {
		found := a.find(question{iss: iss, kid: kid})
		return found.document, found.err
	}}
	switch {
	case a.given != nil:
		l.Document = func(string, string) ([]byte, error) { return a.given, nil }
	case a.dns:
		l.Document = sign.RecordKeys(txt)
	}
	if !a.noRecords {
		l.TXT = txt
	}
	return l
}

func (a *inquiry) find(q question) finding {
	a.mu.Lock()
	defer a.mu.Unlock()
	found, ok := a.answers[q.key()]
	if !ok {
		a.missing = append(a.missing, q)
		return finding{err: errMissing}
	}
	return found
}

// refuse answers that nobody is asked.
func (a *inquiry) refuse(missing []question) {
	for _, q := range missing {
		if q.iss == "" && q.name != sign.RecordName(q.domain()) {
			a.noRecords = true
			continue
		}
		a.answers[q.key()], a.source = finding{err: errOffline}, ""
	}
}

// ask looks everything up at once.
func (a *inquiry) ask(l sign.Lookup, missing []question) {
	var wg sync.WaitGroup
	for _, q := range missing {
		wg.Go(func() {
			var found finding
			if q.iss != "" {
				found.document, found.err = l.Document(q.iss, q.kid)
			} else {
				found.records, found.err = l.TXT(q.name)
			}
			a.mu.Lock()
			defer a.mu.Unlock()
			a.answers[q.key()] = found
		})
	}
	wg.Wait()
}
