package origin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/multimail/multimail/internal/message"
	"github.com/multimail/multimail/internal/resolver"
	"github.com/multimail/multimail/mail"
)

// maxSets bounds a chain. RFC 8617 (4.2.1) allows 50, each of which costs a look-up and
// a hash over all before it; chains in use have one to three.
const maxSets = 10

// The three fields of a set.
const (
	arcResults = "ARC-Authentication-Results"
	arcMessage = "ARC-Message-Signature"
	arcSeal    = "ARC-Seal"
)

// arcSet is what one server added.
type arcSet struct {
	results, message, seal   message.RawField
	messageTags, sealTags    map[string]string
	said                     string // of the results, what follows the instance
	hasResults, signs, seals bool
}

// arcResult is the result of the whole chain.
type arcResult struct {
	mail.Check         // Domain is that of the newest seal
	newest     *arcSet // nil unless the form of the chain is good
}

// errLookup: a key is not known now.
var errLookup = errors.New("a key could not be looked up")

// checkARC validates the chain (RFC 8617, section 5.2).
func (e *examination) checkARC(ctx context.Context) arcResult {
	if e.oversize != "" {
		return arcResult{Check: mail.Check{Result: permerror, Detail: e.oversize}}
	}
	chain, err := e.chain()
	if err != nil {
		return arcResult{Check: mail.Check{Result: fail, Detail: err.Error()}}
	}
	if len(chain) == 0 {
		return arcResult{Check: mail.Check{Result: none}}
	}
	newest := &chain[len(chain)-1]
	r := arcResult{Check: mail.Check{Result: pass, Domain: domainName(newest.sealTags["d"])}, newest: newest}
	l, cancel := e.lookup(ctx, arcQuestions)
	defer cancel()
	err = e.verifyMessage(l, newest)
	for n := len(chain); err == nil && n > 0; n-- {
		err = verifySeal(l, chain[:n])
	}
	switch {
	case errors.Is(err, errLookup):
		r.Result, r.Detail = temperror, err.Error()
	case err != nil:
		r.Result, r.Detail, r.newest = fail, err.Error(), nil
	}
	return r
}

// chain collects the sets and checks their form (section 5.2, steps 1 to 3).
func (e *examination) chain() ([]arcSet, error) {
	var sets [maxSets + 1]arcSet
	most := 0
	for _, f := range e.fields {
		if !f.Is(arcResults) && !f.Is(arcMessage) && !f.Is(arcSeal) {
			continue
		}
		n, err := place(sets[:], f)
		if err != nil {
			return nil, err
		}
		most = max(most, n)
	}
	for n := 1; n <= most; n++ {
		s := sets[n]
		if !s.hasResults || !s.signs || !s.seals {
			return nil, fmt.Errorf("set %d is not whole", n)
		}
		if cv := s.sealTags["cv"]; n == 1 && cv != none || n > 1 && cv != pass {
			return nil, fmt.Errorf("set %d does not say that the chain was good", n)
		}
	}
	return sets[1 : most+1], nil
}

// place puts a field into its set, and returns the instance.
func place(sets []arcSet, f message.RawField) (n int, err error) {
	var tags map[string]string
	instance, said := "", ""
	if f.Is(arcResults) {
		instance, said = instanceOf(f.Value())
	} else if tags, err = parseTags(f.Value()); err != nil {
		return 0, errors.New("a malformed signature")
	} else {
		instance = tags["i"]
	}
	n, err = strconv.Atoi(instance)
	if err != nil || n < 1 || len(instance) > 2 || instance[0] == '+' {
		return 0, errors.New("a field without its instance")
	}
	if n >= len(sets) {
		return 0, fmt.Errorf("more than %d sets", maxSets)
	}
	s := &sets[n]
	twice := false
	switch {
	case tags == nil:
		twice, s.results, s.said, s.hasResults = s.hasResults, f, said, true
	case f.Is(arcSeal):
		twice, s.seal, s.sealTags, s.seals = s.seals, f, tags, true
	default:
		twice, s.message, s.messageTags, s.signs = s.signs, f, tags, true
	}
	if twice {
		return 0, fmt.Errorf("set %d has a field twice", n)
	}
	return n, nil
}

// instanceOf cuts a value of the form "i=1; results" (section 4.1.1).
func instanceOf(value string) (instance, said string) {
	p := &resultParser{s: value}
	p.blank()
	if p.word() != "i" {
		return "", ""
	}
	if p.blank(); !p.take('=') {
		return "", ""
	}
	p.blank()
	instance = p.word()
	if p.blank(); p.bad || !p.take(';') {
		return "", ""
	}
	return instance, p.rest()
}

// verifyMessage checks the signature over the message (section 5.2, step 4).
func (e *examination) verifyMessage(l *lookup, s *arcSet) error {
	tags := s.messageTags
	header, body, ok := canonicalisation(tags)
	names := strings.Split(compact(strings.ToLower(tags["h"])), ":")
	_, hasNames := tags["h"]
	switch _, limited := tags["l"]; {
	case !ok || limited || !hasNames || len(names) > maxNames:
		return errors.New("the message signature is of a form that is not accepted")
	case slices.Contains(names, strings.ToLower(arcSeal)):
		return errors.New("the message signature covers a seal")
	case expired(tags):
		return errors.New("the message signature has expired")
	case compact(tags["bh"]) != e.bodyHash(body):
		return errors.New("the body was changed after it was signed")
	}
	var signed strings.Builder
	for _, f := range e.pick(names, s.message) {
		signed.WriteString(header(f))
	}
	signed.WriteString(strings.TrimSuffix(header(unsigned(s.message)), "\r\n"))
	return l.verify(tags, signed.String(), "message signature")
}

// pick returns the fields that h= names, from the last of each name to the first. The
// signature itself is not among them.
func (e *examination) pick(names []string, self message.RawField) []message.RawField {
	left := map[string][]message.RawField{}
	for _, f := range e.fields {
		if &f.Raw[0] != &self.Raw[0] {
			name := strings.ToLower(f.Name)
			left[name] = append(left[name], f)
		}
	}
	var out []message.RawField
	for _, name := range names {
		if all := left[name]; len(all) > 0 {
			out, left[name] = append(out, all[len(all)-1]), all[:len(all)-1]
		}
	}
	return out
}

// verifySeal checks the seal of the last of the sets, which covers all of them (section
// 5.1.1).
func verifySeal(l *lookup, sets []arcSet) error {
	last := sets[len(sets)-1]
	if _, has := last.sealTags["h"]; has {
		return errors.New("a seal has h=")
	}
	var signed strings.Builder
	for i, s := range sets {
		signed.WriteString(relaxed(s.results) + relaxed(s.message))
		if i < len(sets)-1 {
			signed.WriteString(relaxed(s.seal))
		}
	}
	signed.WriteString(strings.TrimSuffix(relaxed(unsigned(last.seal)), "\r\n"))
	return l.verify(last.sealTags, signed.String(), fmt.Sprintf("seal %d", len(sets)))
}

// verify checks one signature with the key that its tags name.
func (l *lookup) verify(tags map[string]string, signed, what string) error {
	domain, selector := domainName(tags["d"]), tags["s"]
	sig, err := base64.StdEncoding.DecodeString(compact(tags["b"]))
	if t, has := tags["t"]; err != nil || len(sig) == 0 || domain == "" || plainSelector(selector) == "" ||
		has && !isNumber(t) {
		return fmt.Errorf("the %s is malformed", what)
	}
	txt, err := l.key(selector + "._domainkey." + domain)
	switch {
	case errors.Is(err, resolver.ErrTemporary), isTemporary(err):
		return errLookup
	case err != nil || len(txt) != 1:
		return fmt.Errorf("there is no key for the %s", what)
	}
	key, err := parseKey(txt[0], tags["a"])
	if err != nil {
		return fmt.Errorf("the key for the %s cannot be used", what)
	}
	if !key.verify([]byte(signed), sig) {
		return fmt.Errorf("the %s does not verify", what)
	}
	return nil
}

// vouches reports whether a trusted server says that the mail was from a domain when it
// came there. Its seal and its signature must be of the same trusted domain, the
// signature must cover From, and its own results must say so. A chain whose keys are
// not known now vouches too: what follows from that is for the caller.
func (r arcResult) vouches(trusted []string, domain string, aligned func(string) bool) bool {
	if r.newest == nil || r.Domain == "" || !slices.Contains(trusted, r.Domain) ||
		domainName(r.newest.messageTags["d"]) != r.Domain {
		return false
	}
	covers := strings.Split(compact(strings.ToLower(r.newest.messageTags["h"])), ":")
	said, err := parseAuthResults(r.newest.said)
	return err == nil && slices.Contains(covers, "from") && said.vouches(domain, aligned)
}
