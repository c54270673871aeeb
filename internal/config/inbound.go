package config

import (
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// InboundHostname returns the name of the doors for mail from the world.
func (c Config) InboundHostname() string {
	if c.Inbound.Hostname != "" {
		return c.Inbound.Hostname
	}
	return c.SMTP.Hostname
}

// UnixPath returns the path of a listener written unix:PATH, and whether it is one.
func UnixPath(listener string) (path string, ok bool) { return strings.CutPrefix(listener, "unix:") }

func checkInbound(c Config) *KeyError {
	in := c.Inbound
	switch {
	case in.Hostname != "" && !hostName.MatchString(in.Hostname) && in.Hostname != "localhost":
		return &KeyError{"inbound.hostname", strconv.Quote(in.Hostname) + " is not the name of a host"}
	case in.Listen+in.LMTP != "" && in.MaxRecipients > c.SMTP.MaxRecipients:
		return &KeyError{"inbound.max_recipients", "more than smtp.max_recipients, which bounds every mail"}
	case in.LMTPAuthServID != "" && !authServID.MatchString(in.LMTPAuthServID):
		return &KeyError{"inbound.lmtp_authserv_id", strconv.Quote(in.LMTPAuthServID) + " is not an authserv-id"}
	}
	if why := checkLMTP(in.LMTP); why != "" {
		return &KeyError{"inbound.lmtp", why}
	}
	if err := checkDMARC(in); err != nil {
		return err
	}
	hops := hops{names: map[string]bool{}, certificates: map[string]bool{}}
	for i, h := range in.Trusted {
		if err := hops.check(c, h); err != nil {
			return &KeyError{fmt.Sprintf("inbound.trusted[%d].%s", i, err.Key), err.Problem}
		}
	}
	return nil
}

// checkDMARC refuses words that mean nothing, and sealers that are no domains.
func checkDMARC(in Inbound) *KeyError {
	for _, s := range []struct {
		key, value string
		words      []string
	}{
		{"reject", in.DMARC.Reject, []string{"reject", "quarantine", "accept"}},
		{"quarantine", in.DMARC.Quarantine, []string{"quarantine", "reject", "accept"}},
		{"temperror", in.DMARC.TempError, []string{"tempfail", "accept"}},
	} {
		if !slices.Contains(s.words, s.value) {
			return &KeyError{"inbound.dmarc." + s.key, strconv.Quote(s.value) + " is none of " + strings.Join(s.words, ", ")}
		}
	}
	for _, d := range in.TrustedSealers {
		if !hostName.MatchString(d) {
			return &KeyError{"inbound.trusted_sealers", strconv.Quote(d) + " is not the name of a domain"}
		}
	}
	return nil
}

// checkLMTP says what is wrong with the listener for LMTP: who reaches it is believed,
// so the world must not (RFC 2033, 3).
func checkLMTP(listener string) string {
	if listener == "" {
		return ""
	}
	if path, ok := UnixPath(listener); ok {
		if !strings.HasPrefix(path, "/") {
			return "the path of a unix socket begins with /"
		}
		return ""
	}
	host, _, err := net.SplitHostPort(listener)
	if err != nil {
		return strconv.Quote(listener) + " is not host:port or unix:PATH"
	}
	if a, err := netip.ParseAddr(host); host != "localhost" && (err != nil || !own(netip.PrefixFrom(a, a.BitLen()))) {
		return "who reaches it is believed: listen on a loopback or private address, or on unix:PATH"
	}
	return ""
}

var (
	hopName     = regexp.MustCompile(`^[A-Za-z0-9-]{1,64}$`)
	tenantField = regexp.MustCompile(`^[Xx]-[A-Za-z0-9-]{1,126}$`) // not one that the author of a mail writes
	authServID  = regexp.MustCompile(`^[A-Za-z0-9._-]{1,255}$`)
	printable   = regexp.MustCompile(`^[!-~]([ -~]{0,253}[!-~])?$`)
	fingerprint = regexp.MustCompile(`^([0-9a-f]{2}:?){31}[0-9a-f]{2}$`)
)

// hops is what the trusted servers so far have.
type hops struct {
	names, certificates map[string]bool
	private             []netip.Prefix
	fields              []Hop
}

// check returns what is wrong with a server, with the key within its table.
func (all *hops) check(c Config, h Hop) *KeyError {
	switch {
	case h.Name == "":
		return &KeyError{"name", "required"}
	case !hopName.MatchString(h.Name):
		return &KeyError{"name", strconv.Quote(h.Name) + " is not a name of letters, digits and '-'"}
	case h.Name == "lmtp":
		return &KeyError{"name", "lmtp is the name of the server that speaks LMTP; choose another"}
	case all.names[h.Name]:
		return &KeyError{"name", strconv.Quote(h.Name) + " is given twice"}
	case h.AuthServID != "" && h.NoAuthServID:
		return &KeyError{"no_authserv_id", "its results have a name or none: leave authserv_id or this out"}
	case h.AuthServID != "" && !authServID.MatchString(h.AuthServID):
		return &KeyError{"authserv_id", strconv.Quote(h.AuthServID) + " is not an authserv-id"}
	}
	all.names[h.Name] = true
	ranges, err := h.Prefixes()
	if err != nil {
		return &KeyError{"ranges", err.Error()}
	}
	switch h.Proof {
	case "certificate":
		return all.certificate(c, h)
	case "private":
		return all.privateRange(h, ranges)
	case "header":
		return all.header(h)
	case "":
		return &KeyError{"proof", "required: an address alone proves nothing. certificate, private, or header for " +
			"ranges that a provider shares among its customers"}
	}
	return &KeyError{"proof", strconv.Quote(h.Proof) + " is not certificate, private or header"}
}

// unused returns an error for what only another proof has.
func (h Hop) unused(certificates, field bool) *KeyError {
	switch {
	case !certificates && len(h.Certificates) > 0:
		return &KeyError{"certificates", "only for proof certificate"}
	case !field && h.Header != "":
		return &KeyError{"header", "only for proof header"}
	case !field && h.Value != "":
		return &KeyError{"value", "only for proof header"}
	}
	return nil
}

func (all *hops) certificate(c Config, h Hop) *KeyError {
	if c.SMTP.CertFile == "" {
		return &KeyError{"proof", "certificates are shown under TLS only: name smtp.tls_cert_file"}
	}
	if len(h.Certificates) == 0 {
		return &KeyError{"certificates", "required for proof certificate"}
	}
	for _, s := range h.Certificates {
		sum, err := Fingerprint(s)
		if err != nil {
			return &KeyError{"certificates", err.Error()}
		}
		if all.certificates[string(sum[:])] {
			return &KeyError{"certificates", strconv.Quote(s) + " is given twice"}
		}
		all.certificates[string(sum[:])] = true
	}
	return h.unused(true, false)
}

func (all *hops) privateRange(h Hop, ranges []netip.Prefix) *KeyError {
	for _, p := range ranges {
		if !own(p) {
			return &KeyError{"ranges", p.String() + " is public, so its addresses prove nothing: use proof certificate, " +
				"or header if a provider shares it among its customers"}
		}
		for _, other := range all.private {
			if p.Overlaps(other) {
				return &KeyError{"ranges", p.String() + " is within a range of another server with proof private"}
			}
		}
	}
	all.private = append(all.private, ranges...)
	return h.unused(false, false)
}

func (all *hops) header(h Hop) *KeyError {
	switch {
	case !tenantField.MatchString(h.Header):
		return &KeyError{"header", "required for proof header: a field X-… that the provider itself overwrites in every " +
			"mail, such as X-MS-Exchange-CrossTenant-Id"}
	case !printable.MatchString(h.Value):
		return &KeyError{"value", "required for proof header: printable ASCII, such as the id of your tenant"}
	}
	for _, o := range all.fields {
		if strings.EqualFold(o.Header, h.Header) && strings.EqualFold(o.Value, h.Value) {
			return &KeyError{"value", "another server has this header and value"}
		}
	}
	all.fields = append(all.fields, h)
	return h.unused(false, true)
}

// Prefixes returns the ranges.
func (h Hop) Prefixes() (list []netip.Prefix, err error) {
	if len(h.Ranges) == 0 {
		return nil, fmt.Errorf("required: where it connects from, such as 192.0.2.0/28")
	}
	for _, s := range h.Ranges {
		p, err := netip.ParsePrefix(s)
		if a, e := netip.ParseAddr(s); e == nil {
			p, err = netip.PrefixFrom(a, a.BitLen()), nil
		}
		switch {
		case err != nil || p.Addr().Zone() != "" || p.Addr().Is4In6():
			return nil, fmt.Errorf("%q is not an address or a range such as 192.0.2.0/28", s)
		case p.Masked() != p:
			return nil, fmt.Errorf("%q is an address within the range %s; write the one that is meant", s, p.Masked())
		case !own(p) && (p.Addr().Is4() && p.Bits() < 8 || p.Addr().Is6() && p.Bits() < 20):
			return nil, fmt.Errorf("%q is more than one provider has", s)
		}
		list = append(list, p)
	}
	return list, nil
}

// own reports whether a range is one of one's own: every address of it is private or
// loopback.
func own(p netip.Prefix) bool {
	for _, private := range privateRanges {
		if private.Bits() <= p.Bits() && private.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

var privateRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
	netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"),
}

// Fingerprint reads the SHA-256 of a certificate, in hex with or without colons.
func Fingerprint(s string) (sum [32]byte, err error) {
	text := strings.ToLower(s)
	if _, after, ok := strings.Cut(text, "fingerprint="); ok { // as openssl prints it
		text = after
	}
	if !fingerprint.MatchString(text) {
		return sum, fmt.Errorf("%q is not a SHA-256 in hex", s)
	}
	b, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	copy(sum[:], b)
	return sum, err
}
