package mail

import (
	"strings"

	"golang.org/x/net/idna"
)

// textLinks returns the addresses in running text that mail programs turn into
// links: scheme://…, mailto:… and www.….
func textLinks(s string) []string {
	var out []string
	eachLink(s, func(start, end int) { out = append(out, s[start:end]) })
	return out
}

// eachLink calls yield with the borders of every link in s, in order.
func eachLink(s string, yield func(start, end int)) {
	for at := 0; at < len(s); {
		i, start := nextLink(s[at:])
		if i < 0 {
			return
		}
		i, start = i+at, start+at
		end := i
		for end < len(s) && !endsLink(s[end]) {
			end++
		}
		at = max(end, i)
		end = start + len(strings.TrimRight(s[start:end], ".,;:!?'*_)]}"))
		if end > i {
			yield(start, end)
		}
	}
}

// nextLink finds the first link: where its fixed beginning ends, and where
// the link starts.
func nextLink(s string) (after, start int) {
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == ':' && strings.HasPrefix(s[i:], "://"):
			start := i
			for start > 0 && i-start < 20 && (isAlnum(s[start-1]) || s[start-1] == '+') {
				start--
			}
			if start < i {
				return i + 3, start
			}
		case c == ':' && i >= 6 && strings.EqualFold(s[i-6:i], "mailto"):
			return i + 1, i - 6
		case (c == 'w' || c == 'W') && len(s) > i+4 && strings.EqualFold(s[i:i+4], "www."):
			if i == 0 || !isAlnum(s[i-1]) {
				return i + 4, i
			}
		}
	}
	return -1, -1
}

func endsLink(c byte) bool { return c <= ' ' || strings.IndexByte("<>\"`|", c) >= 0 }

// displayLink neutralises a link, and adds the ASCII form of a host that is
// written in other letters, since two such names can look alike.
func displayLink(link string) string {
	shown := neutralLine(link)
	_, rest, ok := strings.Cut(link, "://")
	if !ok {
		return shown
	}
	host, _, _ := strings.Cut(rest, "/")
	if !hasEightBit([]byte(host)) || len(host) > 253 {
		return shown
	}
	ascii, err := idna.Punycode.ToASCII(host)
	if err != nil {
		return shown + " (malformed host)"
	}
	return shown + " (" + neutralLine(ascii) + ")"
}
