package message

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/net/idna"

	"github.com/multimail/multimail/mail"
)

// Link is something that a program may turn into a link, or may fetch.
type Link struct {
	Target string // as it is written, with the ASCII form of its host where that is another
	Text   string // what stands for it on the screen, "" where that is the target or nothing
	Why    string // why it may lead elsewhere than it seems to, "" if it does not
}

// size is what l takes in an answer.
func (l Link) size() int {
	n := linkSize + shownSize(l.Target)
	for _, s := range []string{l.Text, l.Why} {
		if s != "" {
			n += linkSize + shownSize(s)
		}
	}
	return n
}

// textLinks returns the addresses in running text that mail programs turn into
// links: scheme://…, mailto:… and www.….
func textLinks(s string) []Link {
	var out []Link
	eachLink(s, func(start, end int) { out = append(out, Link{Target: s[start:end]}) })
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
		for end < len(s) {
			r, n := utf8.DecodeRuneInString(s[end:])
			if endsLink(r, n) {
				break
			}
			end += n
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
			for start > 0 && i-start < 20 && (mail.IsAlnum(s[start-1]) || s[start-1] == '+') {
				start--
			}
			if start < i {
				return i + 3, start
			}
		case c == ':' && i >= 6 && strings.EqualFold(s[i-6:i], "mailto"):
			return i + 1, i - 6
		case (c == 'w' || c == 'W') && len(s) > i+4 && strings.EqualFold(s[i:i+4], "www."):
			if i == 0 || !mail.IsAlnum(s[i-1]) {
				return i + 4, i
			}
		}
	}
	return -1, -1
}

// endsLink reports whether a link ends before r, which takes n octets: at any
// blank, control or invisible character, so that no word is taken for a part of it.
func endsLink(r rune, n int) bool {
	return r == utf8.RuneError && n == 1 || unicode.IsSpace(r) || unicode.IsControl(r) || mail.IsInvisible(r) ||
		r == '\u3164' || r == '\u2800' || strings.ContainsRune("<>\"`|", r)
}

// displayLink neutralises a link, and adds the ASCII form of a host that is
// written in other letters, since two such names can look alike.
func displayLink(link string) string {
	shown := mail.NeutralLine(link)
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
	return shown + " (" + mail.NeutralLine(ascii) + ")"
}
