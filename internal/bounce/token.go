package bounce

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/multimail/multimail/mail"
)

// Token is what the envelope sender of one transaction says.
type Token struct {
	Mail  mail.ID
	Group Group
	Day   uint16 // of the attempt: days since 1970-01-01, UTC
}

// Group names the recipients of one transaction: by the place of the only one
// among those that the author named, or Copies.
type Group uint16

// Copies is the group of the copies for the oversight address.
const Copies Group = 0xffff

// Life is for how many days after its own a token is good.
const Life = 30

// The octets of a token. 35 of them are 56 characters with no bit to spare, so
// that no two local parts mean the same token.
const (
	idLen    = 16
	bodyLen  = idLen + 2 + 2
	macLen   = 15 // 120 bits
	tokenLen = bodyLen + macLen
	localLen = tokenLen * 8 / 5
)

// purpose keeps the tokens apart from whatever else is made with a key one day.
const purpose = "multimail bounce address 1\x00"

// encoding is that of RFC 4648, section 6, in lower case.
var encoding = base32.NewEncoding("abcdefghijklmnopqrstuvwxyz234567").WithPadding(base32.NoPadding)

// day returns the day of a time. A time that a day has no number for has day 0.
func day(at time.Time) uint16 {
	n := at.Unix() / int64(24*time.Hour/time.Second)
	if n < 0 || n > 0xffff {
		return 0
	}
	return uint16(n)
}

// seal writes a token as a local part.
func (k key) seal(t Token) (string, error) {
	id, err := ulid.ParseStrict(string(t.Mail))
	if err != nil {
		return "", err
	}
	b := make([]byte, 0, tokenLen)
	b = append(b, id[:]...)
	b = binary.BigEndian.AppendUint16(b, uint16(t.Group))
	b = binary.BigEndian.AppendUint16(b, t.Day)
	return encoding.EncodeToString(append(b, k.mac(b)...)), nil
}

// open reads a local part in any case, since some servers change it on the way.
// ok is false unless one of the keys made it.
func (ks keys) open(local string) (t Token, ok bool) {
	b, ok := decode(local)
	if !ok {
		return Token{}, false
	}
	ok = false
	for _, k := range ks.Keys {
		ok = hmac.Equal(k.mac(b[:bodyLen]), b[bodyLen:]) || ok
	}
	return Token{
		Mail:  mail.ID(ulid.ULID(b[:idLen]).String()),
		Group: Group(binary.BigEndian.Uint16(b[idLen:])),
		Day:   binary.BigEndian.Uint16(b[idLen+2:]),
	}, ok
}

func decode(local string) ([]byte, bool) {
	if len(local) != localLen {
		return nil, false
	}
	lower := []byte(local)
	for i, c := range lower { // octets: no letter beyond ASCII folds into the alphabet
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	b, err := encoding.DecodeString(string(lower))
	return b, err == nil && len(b) == tokenLen
}

func (k key) mac(body []byte) []byte {
	h := hmac.New(sha256.New, k.Secret)
	h.Write([]byte(purpose))
	h.Write(body)
	return h.Sum(nil)[:macLen]
}
