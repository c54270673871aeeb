package message

import (
	"strings"
	"unicode"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"

	"github.com/multimail/multimail/mail"
)

// likeASCII maps letters of other scripts, and signs, to the ASCII characters
// that they look like, after Normalization Form KD has taken marks and
// compatibility forms off (Unicode Technical Standard 39, section 4, cut down
// to what a domain or an address can be written with).
var likeASCII = func() map[rune]string {
	out := map[rune]string{
		'0': "o", '1': "l", 'i': "l", '|': "l", 'ı': "l", 'ø': "o", 'đ': "d", 'ħ': "h", 'ł': "l", 'ŧ': "t",
		'æ': "ae", 'œ': "oe", 'ß': "b", 'þ': "p", 'ɑ': "a", 'ɡ': "g", 'ɩ': "l", 'ʟ': "l", 'ɴ': "n", 'ʏ': "y",
		'ⓐ': "@", 'Ⓐ': "@", '。': ".", '۔': ".", 'ꓸ': ".", '܁': ".", '܂': ".", '։': ":", '‐': "-", '–': "-",
		'—': "-", '−': "-", 'ー': "-", '⁄': "/", '∕': "/",
	}
	for _, pair := range []struct{ from, to string }{
		{"авсԁеғһіјӏкмпорԛгѕтцѵхуԝзьԍꙅ", "abcdefhljlkmnopqrstuvxyw3bgs"}, // Cyrillic
		{"αβγδεηικνορστυχωϲϳζ", "abydenlkvopotuxwcjz"},                   // Greek
		{"աօոսհցզյքե", "uonuhgqjpe"},                                     // Armenian
		{"ᏟᎠᎬᎻᎪᏴᏀᎫᏦᏞᎷᏢᏒᏚᎢᏙᏔᏃ", "cdehabgjklmprstvwz"},                     // Cherokee
	} {
		to := []rune(pair.to)
		for i, r := range []rune(pair.from) {
			out[r], out[unicode.ToLower(r)] = string(to[i]), string(to[i])
		}
	}
	return out
}()

// skeleton reduces s to what it looks like: two texts with one skeleton can be
// taken for each other.
func skeleton(s string) string {
	var b strings.Builder
	put := func(r rune) {
		if like, ok := likeASCII[r]; ok {
			b.WriteString(like)
		} else if !unicode.In(r, unicode.Mn, unicode.Me) && !mail.IsInvisible(r) {
			b.WriteRune(r)
		}
	}
	for _, r := range s {
		if _, ok := likeASCII[r]; ok { // before its compatibility form hides it
			put(r)
			continue
		}
		for _, d := range norm.NFKD.String(string(r)) {
			put(unicode.ToLower(d))
		}
	}
	return twoForOne.Replace(b.String())
}

// twoForOne are pairs of letters that look like one.
var twoForOne = strings.NewReplacer("rn", "m", "vv", "w")

// lookAlike says what the display name of an address passes for, or "". own is
// the domain of the mailbox.
func lookAlike(name, addr, own string) string {
	plain := strings.ToLower(strings.Trim(name, `'" `))
	if plain == "" || plain == strings.ToLower(addr) {
		return ""
	}
	shape := skeleton(plain)
	_, domain, _ := strings.Cut(addr, "@")
	switch {
	case strings.Contains(shape, "@"):
		return "holds an at sign or what looks like one"
	case mixesScripts(name):
		return "mixes letters of several scripts"
	}
	for _, token := range strings.FieldsFunc(plain, parts) {
		if why := domainToken(token, strings.ToLower(domain), own); why != "" {
			return why
		}
	}
	if label, _, _ := strings.Cut(own, "."); len(label) > 3 &&
		!strings.Contains(plain, label) && strings.Contains(shape, skeleton(label)) {
		return "looks like " + own
	}
	return ""
}

// parts cuts a display name into what could be domains.
func parts(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune(`"'()[]{}<>,;:/\|`, r)
}

// domainToken says why a word of a display name is or looks like a domain that
// the address does not belong to.
func domainToken(token, domain, own string) string {
	shape := strings.Trim(skeleton(token), ".-")
	switch token = strings.Trim(token, ".-"); {
	case token == domain || strings.HasSuffix(domain, "."+token) && strings.Contains(token, "."):
		return ""
	case shape == skeleton(own) && token != own:
		return "looks like " + own
	}
	labels := strings.FieldsFunc(norm.NFKC.String(token), func(r rune) bool { return r == '.' || likeASCII[r] == "." })
	if len(labels) < 2 || len(labels[0]) < 2 {
		return ""
	}
	last := labels[len(labels)-1]
	if len(last) < 2 || strings.IndexFunc(last, func(r rune) bool { return !unicode.IsLetter(r) }) >= 0 {
		return "" // an abbreviation or a number
	}
	return "names the domain " + token
}

// mixesScripts reports whether the letters of a name are of several scripts.
// Those that one language mixes count as none, and stand beside any other.
func mixesScripts(name string) bool {
	var of *unicode.RangeTable
	for _, r := range norm.NFKC.String(name) {
		if !unicode.IsLetter(r) || of != nil && unicode.Is(of, r) || unicode.In(r, unicode.Han, unicode.Hiragana,
			unicode.Katakana, unicode.Bopomofo, unicode.Hangul, unicode.Common, unicode.Inherited) {
			continue
		}
		if of != nil {
			return true
		}
		for _, table := range unicode.Scripts {
			if unicode.Is(table, r) {
				of = table
			}
		}
	}
	return false
}

// likeOwn reports whether a domain is spelled otherwise than own and looks like it.
func likeOwn(domain, own string) bool {
	if len(domain) > 253*4 { // as many letters as a domain may have
		return false
	}
	domain = strings.ToLower(domain)
	if u, err := idna.Punycode.ToUnicode(domain); err == nil {
		domain = u
	}
	return domain != own && own != "" && skeleton(domain) == skeleton(own)
}

// checkNames warns of the names and addresses of one field.
func (v *viewer) checkNames(field string, items []string) {
	own := v.own
	for _, item := range items {
		name, addr := splitItem(item)
		for _, reading := range []string{name, decodeWords(name)} {
			if why := lookAlike(reading, addr, own); why != "" {
				v.warn.Add(WarnLookAlike, "", "the name in %s %s: %s", field, why, item)
				break
			}
		}
		if _, domain, ok := strings.Cut(addr, "@"); ok && likeOwn(domain, own) {
			v.warn.Add(WarnLookAlike, "", "the domain in %s looks like %s: %s", field, own, item)
		}
	}
}

// checkHost warns of a link whose host looks like our domain.
func (v *viewer) checkHost(link string) {
	_, host, ok := strings.Cut(link, "://")
	if !ok {
		host = link
	}
	host, _, _ = strings.Cut(host, "/")
	if i := strings.LastIndexByte(host, '@'); i >= 0 {
		host = host[i+1:]
	}
	host, _, _ = strings.Cut(host, ":")
	own := v.own
	if host = strings.TrimPrefix(strings.ToLower(host), "www."); likeOwn(host, own) {
		v.warn.Add(WarnLookAlike, "", "the host of a link looks like %s: %s", own, link)
	}
}

// ownDomain is the domain that From names: the door has compared it with the
// mailbox.
func ownDomain(root *entity) string {
	if a := addressesIn(root.field("from")); len(a) > 0 {
		return a[0].Domain()
	}
	return ""
}

// splitItem cuts one item of an address field into what stands before its last
// bracket and what stands in it. A bare address has no name.
func splitItem(item string) (name, addr string) {
	i := strings.LastIndexByte(item, '<')
	if i < 0 {
		if strings.ContainsAny(item, " \t(") {
			return item, ""
		}
		return "", item
	}
	return item[:i], strings.Trim(item[i+1:], "<> \t")
}
