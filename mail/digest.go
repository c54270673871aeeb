package mail

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"sort"
	"strings"
)

// Digest is 64 lowercase hex digits: what a decision names.
type Digest string

// ParseDigest accepts 64 lowercase hex digits.
func ParseDigest(s string) (Digest, error) {
	if len(s) != 64 || strings.Trim(s, "0123456789abcdef") != "" {
		return "", ErrInvalid.Errorf("a digest is 64 lowercase hex digits")
	}
	return Digest(s), nil
}

// digestVersion is the first frame of every digest, so that a later form can
// never equal an earlier one.
const digestVersion = "multimail-digest-v1"

// DigestOf returns the version 1 digest: SHA-256 over frames, each an 8-octet
// big-endian length and its octets: the version, the envelope sender, BODY,
// RET and ENVID, the number of recipients, for each recipient in order of its
// address the address, NOTIFY and ORCPT, and at last the canonical bytes.
// Recipients marked Copy are left out: the claim adds them later.
func DigestOf(env Envelope, raw []byte) Digest {
	h := sha256.New()
	for _, s := range []string{digestVersion, env.From.String(), env.Body, env.Ret, env.EnvID} {
		frame(h, []byte(s))
	}
	rcpts := make([]Rcpt, 0, len(env.Rcpts))
	for _, r := range env.Rcpts {
		if !r.Copy {
			rcpts = append(rcpts, r)
		}
	}
	sort.SliceStable(rcpts, func(i, j int) bool {
		return rcpts[i].Addr.String() < rcpts[j].Addr.String()
	})
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(rcpts)))
	frame(h, n[:])
	for _, r := range rcpts {
		frame(h, []byte(r.Addr.String()))
		frame(h, []byte(strings.Join(r.Notify, ",")))
		frame(h, []byte(r.ORcpt))
	}
	frame(h, raw)
	return Digest(hex.EncodeToString(h.Sum(nil)))
}

func frame(h hash.Hash, b []byte) {
	var n [8]byte
	binary.BigEndian.PutUint64(n[:], uint64(len(b)))
	h.Write(n[:])
	h.Write(b)
}
