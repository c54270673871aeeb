package message

import (
	"mime"
	"path"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"

	"github.com/multimail/multimail/mail"
)

// maxSafeName is the longest safe file name, in octets, maxExtension the longest
// ending that is kept when a name is cut, and maxAccents how many combining marks
// stand on one letter.
const (
	maxSafeName  = 200
	maxExtension = 16
	maxAccents   = 4
)

// SafeFileName returns a name under which a file from a stranger can be saved in
// a directory of any common system: letters, digits, blanks between words and
// a few signs, nothing that is a path, a device, hidden or shown as another name.
// It is never empty, and the name of a safe name is the name itself.
func SafeFileName(name string) string {
	name = norm.NFKC.String(strings.ToValidUTF8(name, "_"))
	if i := strings.LastIndexAny(name, "/\\\u2044\u2215\u29f5\u29f8"); i >= 0 {
		name = name[i+1:]
	}
	var b strings.Builder
	marks := maxAccents // combining marks on the letter before; as many as may be where there is no letter
	before := rune(0)
	for _, r := range name {
		if unicode.IsMark(r) && marks < maxAccents && !mail.IsInvisible(r) {
			marks++
			b.WriteRune(r)
			continue
		}
		if mail.IsInvisible(r) || !safeRune(r) {
			r = '_'
		}
		if r == ' ' && before == ' ' {
			continue
		}
		before = r
		if marks = 0; !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			marks = maxAccents
		}
		b.WriteRune(r)
	}
	name = cutName(trimName(b.String()))
	if stem, _, _ := strings.Cut(name, "."); isDevice(strings.TrimSpace(stem)) {
		name = "_" + name
	}
	if name = cutName(name); strings.Trim(name, "._ ") == "" {
		return "attachment"
	}
	return name
}

// safeRune reports whether a name may hold r: letters and digits of any script,
// a blank, and signs that no file system or shell gives a meaning to at any place.
func safeRune(r rune) bool {
	return unicode.IsLetter(r) || unicode.IsDigit(r) || strings.ContainsRune(" ._-+,()", r)
}

// trimName takes off what hides a file, or what Windows leaves out.
func trimName(s string) string {
	return strings.TrimRight(strings.TrimLeft(s, " .-"), " .")
}

// cutName shortens a name, and keeps a short ending.
func cutName(s string) string {
	if len(s) <= maxSafeName {
		return s
	}
	ext := path.Ext(s)
	if len(ext) > maxExtension {
		ext = ""
	}
	return trimName(strings.ToValidUTF8(s[:maxSafeName-len(ext)], "")) + ext
}

// isDevice reports whether Windows opens a device under this name.
func isDevice(stem string) bool {
	stem = strings.ToLower(stem)
	if devices[stem] {
		return true
	}
	rest, ok := strings.CutPrefix(stem, "com")
	if !ok {
		rest, ok = strings.CutPrefix(stem, "lpt")
	}
	return ok && len([]rune(rest)) == 1 && unicode.IsDigit([]rune(rest)[0])
}

// endings are those of files without a name, by their type.
var endings = map[string]string{
	"application/pdf": ".pdf", "application/zip": ".zip", "application/json": ".json", "application/ms-tnef": ".dat",
	"application/pgp-signature": ".asc", "application/pkcs7-signature": ".p7s", "application/pkcs7-mime": ".p7m",
	"image/png": ".png", "image/jpeg": ".jpg", "image/gif": ".gif", "image/svg+xml": ".svg", "image/webp": ".webp",
	"text/plain": ".txt", "text/html": ".html", "text/calendar": ".ics", "text/csv": ".csv", "text/vcard": ".vcf",
	"message/rfc822": ".eml", "message/global": ".eml", "message/delivery-status": ".txt", "audio/mpeg": ".mp3",
	"video/mp4": ".mp4",
}

// safeType returns a media type that can stand in a header of ours.
func safeType(kind string) string {
	if t, _, err := mime.ParseMediaType(kind); err == nil && strings.Count(t, "/") == 1 && len(t) <= 127 &&
		mail.AllPrintable(t) {
		return t
	}
	return "application/octet-stream"
}

// uniqueNames hands out file names of which no two are the same to a system that
// does not tell upper from lower case.
type uniqueNames map[string]int

func (u uniqueNames) name(name string) string {
	for {
		key := strings.ToLower(norm.NFKC.String(name))
		n := u[key] + 1
		if u[key] = n; n == 1 {
			return name
		}
		ext := path.Ext(name)
		stem := strings.TrimSuffix(name, ext)
		mark := "-" + strconv.Itoa(n)
		if over := len(stem) + len(mark) + len(ext) - maxSafeName; over > 0 && over < len(stem) {
			stem = strings.ToValidUTF8(stem[:len(stem)-over], "")
		}
		name = stem + mark + ext
	}
}
