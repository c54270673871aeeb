package message

import (
	"net/netip"
	"slices"
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/multimail/multimail/mail"
)

// knownSchemes lead to what they name, some of them to no host.
var (
	knownSchemes = set("http https mailto ftp ftps sftp ssh git webcal tel sms geo cid mid")
	namesNoHost  = set("tel sms geo cid mid")
)

// WhyNumber is the Why of a link to an IP address, or to what browsers take for one.
const WhyNumber = "the host of its target is a number"

// MixesScripts reports whether a label of the host of a link is written in letters of
// several scripts, as it is shown in a Review.
func MixesScripts(target string) bool {
	target, _, _ = strings.Cut(target, " ")
	host, _ := targetHost(target)
	if u, err := idna.Punycode.ToUnicode(host); err == nil {
		host = u
	}
	return slices.ContainsFunc(strings.Split(host, "."), mixesScripts)
}

// checkLink says why a link may lead elsewhere than it seems to.
func checkLink(target, text string) string {
	host, why := targetHost(target)
	if why != "" {
		return why
	}
	if low := strings.ToLower(target); strings.HasPrefix(low, "mailto:") &&
		(strings.ContainsAny(low, ",;") || strings.Contains(low, "cc=") || strings.Contains(low, "to=") ||
			strings.Contains(low, "%2c")) {
		return "it may write to more than one address"
	}
	hosts := textHosts(text)
	if len(hosts) == maxTextHosts {
		return "its text names many hosts"
	}
	for _, named := range hosts {
		if named = strings.TrimPrefix(named, "www."); host != named && !strings.HasSuffix(host, "."+named) {
			return "its text names " + named
		}
	}
	return ""
}

// targetHost returns the host of a target as browsers read it, "" for none, and
// why it is not written as links are.
func targetHost(target string) (host, why string) {
	target = strings.TrimFunc(target, func(r rune) bool { return r <= ' ' })
	if strings.ContainsAny(target, "\t\r\n") {
		return "", "its target has line ends or tabs"
	}
	scheme, rest, ok := strings.Cut(target, ":")
	scheme = strings.ToLower(scheme)
	switch {
	case !ok || strings.ContainsAny(scheme, "/?#.@[\\"):
		if rest, ok = strings.CutPrefix(target, "//"); !ok {
			if len(target) > 4 && strings.EqualFold(target[:4], "www.") {
				return authority(target)
			}
			if strings.HasPrefix(target, `\\`) || strings.HasPrefix(target, `/\`) {
				return "", "its target has a backslash"
			}
			return "", ""
		}
	case !knownSchemes[scheme]:
		return "", "its target has the scheme " + cutText(scheme, maxNoted)
	case scheme == "mailto":
		rest, _, _ = strings.Cut(rest, "?")
		rest = rest[strings.LastIndexByte(rest, '@')+1:]
		if strings.Contains(rest, "%") {
			return "", "the host of its target is percent-encoded"
		}
		return asciiHost(rest), ""
	case namesNoHost[scheme]:
		return "", ""
	case scheme == "http" || scheme == "https" || scheme == "ftp":
		if !strings.HasPrefix(rest, "//") || strings.HasPrefix(rest, "///") {
			return "", "its target has not two slashes before the host"
		}
		rest = rest[2:]
	default:
		rest = strings.TrimPrefix(rest, "//")
	}
	return authority(rest)
}

// authority reads user@host:port before a path (RFC 3986, section 3.2).
func authority(s string) (host, why string) {
	end := strings.IndexAny(s, "/?#")
	if end >= 0 {
		s = s[:end]
	}
	_, host, user := strings.Cut(s, "@")
	if !user {
		host = s
	}
	name, port, _ := strings.Cut(host, ":")
	name = asciiHost(name)
	last := name[strings.LastIndexByte(name, '.')+1:]
	switch {
	case strings.Contains(s, `\`):
		return "", "its target has a backslash"
	case user:
		return "", "its target has a name before the host " + cutText(asciiHost(s[strings.LastIndexByte(s, '@')+1:]), 100)
	case strings.Contains(host, "%"):
		return "", "the host of its target is percent-encoded"
	case strings.HasPrefix(host, "["), last != "" && last[0] >= '0' && last[0] <= '9':
		return "", WhyNumber
	case strings.Trim(port, "0123456789") != "":
		return "", "the port of its target is no number"
	case strings.IndexFunc(name, func(r rune) bool { return !isHostRune(r) }) >= 0:
		return "", "the host of its target is malformed"
	}
	return name, ""
}

func isHostRune(r rune) bool {
	return r == '.' || r == '-' || r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z'
}

// asciiHost returns a host as it is looked up.
func asciiHost(s string) string {
	if len(s) > 253*4 { // as many letters as a name may have
		return "(over-long)"
	}
	s = strings.ToLower(norm.NFKC.String(s))
	s = strings.Trim(strings.NewReplacer("。", ".", "．", ".", "｡", ".", "\u00ad", "").Replace(s), ".")
	if ascii, err := idna.Punycode.ToASCII(s); err == nil {
		return ascii
	}
	return s
}

// maxTextHosts bounds the hosts that are read from the text of a link.
const maxTextHosts = 10

// textHosts returns the hosts that a text names, as they are looked up.
func textHosts(text string) []string {
	text = strings.Map(func(r rune) rune {
		if !unicode.IsSpace(r) && (mail.IsInvisible(r) || unicode.IsControl(r)) {
			return -1
		}
		return r
	}, text)
	// Whatever cannot stand in a host name parts two, but for the sign after a
	// local part.
	pieces := strings.FieldsFunc(norm.NFKC.String(text), func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsMark(r) && !unicode.IsNumber(r) &&
			r != '.' && r != '-' && r != '_' && r != '@' &&
			r != '\u3002' // an ideographic full stop, which browsers take for a dot
	})
	var out []string
	for _, piece := range pieces {
		names := strings.Split(piece, "@")
		for i, name := range names {
			if i+1 < len(names) && hostIn(names[i+1]) != "" {
				continue // a local part
			}
			host := hostIn(name)
			if host == "" {
				continue
			}
			if out = append(out, host); len(out) == maxTextHosts {
				return out
			}
		}
	}
	return out
}

// hostIn returns the host that a word names, "" for none: a name of at least
// two labels with a top-level domain of letters, or an IPv4 address.
func hostIn(word string) string {
	host := asciiHost(strings.Trim(word, ".-_"))
	if _, err := netip.ParseAddr(host); err == nil {
		return host
	}
	i := strings.LastIndexByte(host, '.')
	last := host[i+1:]
	if i <= 0 || len(last) < 2 || strings.IndexFunc(host, func(r rune) bool { return !isHostRune(r) }) >= 0 ||
		!strings.HasPrefix(last, "xn--") && strings.Trim(last, "abcdefghijklmnopqrstuvwxyz") != "" {
		return ""
	}
	return host
}
