package smtpd

import (
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/emersion/go-smtp"

	"github.com/multimail/multimail/mail"
)

// cutPath splits "FROM:<path> params". The path comes back without its
// brackets, as it was written: where it ends is decided here and nowhere else,
// quoted strings respected (RFC 5321, 4.1.2).
//
// QUIRK: blanks after the colon are tolerated, as widely sent.
func cutPath(arg, keyword string) (path, params string, err error) {
	if len(arg) < len(keyword) || !strings.EqualFold(arg[:len(keyword)], keyword) {
		return "", "", errSyntax
	}
	bad := errPath
	if keyword == "FROM:" {
		bad = errSenderPath
	}
	s := strings.TrimLeft(arg[len(keyword):], " ")
	if s == "" || s[0] != '<' {
		return "", "", bad
	}
	quoted := false
	for i := 1; i < len(s); i++ {
		switch c := s[i]; {
		case !mail.IsPrintable(rune(c)):
			return "", "", bad
		case quoted && c == '\\' && i+1 < len(s) && mail.IsPrintable(rune(s[i+1])):
			i++
		case quoted && c == '\\':
			return "", "", bad
		case c == '"':
			quoted = !quoted
		case c == '>' && !quoted:
			rest := s[i+1:]
			if rest != "" && rest[0] != ' ' || !mail.AllPrintable(rest) {
				return "", "", errSyntax
			}
			return s[1:i], rest, nil
		case c == '<' && !quoted:
			return "", "", bad
		}
	}
	return "", "", bad
}

// each calls fn for every ESMTP parameter, its keyword in upper case; one that
// is given twice, or that the door does not offer, is an error.
func each(params string, offered []string, fn func(key, value string) error) error {
	seen := map[string]bool{}
	for _, p := range strings.Fields(params) {
		key, value, _ := strings.Cut(p, "=")
		key = strings.ToUpper(key)
		if seen[key] {
			return errSyntax
		}
		seen[key] = true
		if key == "SMTPUTF8" {
			return errUTF8
		}
		if !slices.Contains(offered, key) {
			return errParam
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
	return nil
}

// mailOptions reads the parameters of MAIL.
func mailOptions(params string, offered []string) (*smtp.MailOptions, error) {
	o := &smtp.MailOptions{}
	return o, each(params, offered, func(key, value string) (err error) {
		switch key {
		case "SIZE": // RFC 1870
			n, err := strconv.ParseUint(value, 10, 63) // takes no sign
			if errors.Is(err, strconv.ErrRange) {
				return errBig
			}
			if err != nil {
				return errSyntax
			}
			o.Size = int64(n)
		case "BODY": // RFC 6152
			if v := strings.ToUpper(value); v == "7BIT" || v == "8BITMIME" {
				o.Body = smtp.BodyType(v)
				return nil
			}
			return errSyntax
		case "RET": // RFC 3461, 4.3
			if v := strings.ToUpper(value); v == "FULL" || v == "HDRS" {
				o.Return = smtp.DSNReturn(v)
				return nil
			}
			return errSyntax
		case "ENVID": // RFC 3461, 4.4
			if len(value) > 100 {
				return errSyntax
			}
			o.EnvelopeID, err = unxtext(value)
			return err
		case "AUTH": // RFC 4954, 5: ignored, the principal is known from the login
		default:
			return errParam
		}
		return nil
	})
}

// rcptOptions reads the parameters of RCPT (RFC 3461, 4.1 and 4.2).
func rcptOptions(params string, offered []string) (*smtp.RcptOptions, error) {
	o := &smtp.RcptOptions{}
	return o, each(params, offered, func(key, value string) (err error) {
		switch key {
		case "NOTIFY":
			o.Notify, err = notify(value)
		case "ORCPT":
			kind, addr, _ := strings.Cut(value, ";")
			if !strings.EqualFold(kind, "rfc822") || len(value) > 500 {
				return errSyntax
			}
			o.OriginalRecipientType = smtp.DSNAddressTypeRFC822
			o.OriginalRecipient, err = unxtext(addr)
		default:
			return errParam
		}
		return err
	})
}

// notify reads NOTIFY: NEVER alone, or each of the others at most once.
func notify(value string) (list []smtp.DSNNotify, err error) {
	for _, n := range strings.Split(strings.ToUpper(value), ",") {
		switch when := smtp.DSNNotify(n); {
		case slices.Contains(list, when):
			return nil, errSyntax
		case n == "SUCCESS", n == "FAILURE", n == "DELAY", n == "NEVER" && !strings.Contains(value, ","):
			list = append(list, when)
		default:
			return nil, errSyntax
		}
	}
	return list, nil
}

// unxtext decodes xtext (RFC 3461, 4) that is not empty. Controls cannot come
// out of it.
func unxtext(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c == '+' {
			if i+2 >= len(s) {
				return "", errSyntax
			}
			h, err := hex.DecodeString(s[i+1 : i+3])
			if err != nil {
				return "", errSyntax
			}
			c, i = h[0], i+2
		} else if c == '=' {
			return "", errSyntax
		}
		if !mail.IsPrintable(rune(c)) {
			return "", errSyntax
		}
		b.WriteByte(c)
	}
	if b.Len() == 0 {
		return "", errSyntax
	}
	return b.String(), nil
}
