package smtpd

import (
	"crypto/sha256"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/multimail/multimail/internal/message"
)

// HopRule says how a trusted hop is recognised: by where it connects from and by a proof
// beside that. Exactly one proof is given. A connection that has not both is anybody's.
type HopRule struct {
	Hop
	Ranges []netip.Prefix // masked

	Private      bool                // proof: the ranges are private, so that nobody else is in them
	Certificates [][sha256.Size]byte // proof: its TLS client certificate is one of these, by the hash of its DER
	Field, Value string              // proof: a header field that the provider writes itself, once, with this value
}

func (h HopRule) check() error {
	proofs := 0
	for _, given := range []bool{h.Private, len(h.Certificates) > 0, h.Field != "" && h.Value != ""} {
		if given {
			proofs++
		}
	}
	if h.Name == "" || len(h.Ranges) == 0 || proofs != 1 {
		return fmt.Errorf("smtpd: a trusted hop needs a name, ranges and exactly one proof")
	}
	return nil
}

// covers reports whether an address is in the ranges.
func (h HopRule) covers(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	return slices.ContainsFunc(h.Ranges, func(p netip.Prefix) bool { return p.Contains(a) })
}

// proven reports whether a transaction from the ranges is one of the hop.
func (h HopRule) proven(t Transaction) bool {
	switch {
	case h.Private:
		return true
	case len(h.Certificates) > 0:
		if t.TLS == nil || len(t.TLS.PeerCertificates) == 0 {
			return false
		}
		return slices.Contains(h.Certificates, sha256.Sum256(t.TLS.PeerCertificates[0].Raw))
	}
	values := message.FieldValues(t.Raw, h.Field)
	return len(values) == 1 && strings.EqualFold(values[0], h.Value)
}

// matchHop returns the hop that brings a transaction, nil for none.
func matchHop(rules []HopRule, t Transaction) *Hop {
	for _, h := range rules {
		if h.covers(t.Remote) && h.proven(t) {
			hop := h.Hop
			return &hop
		}
	}
	return nil
}
