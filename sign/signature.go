package sign

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"

	"golang.org/x/crypto/cryptobyte"
	"golang.org/x/crypto/cryptobyte/asn1"
)

// es256 signs text as a JWS wants it: R and then S, 32 octets each (RFC 7518,
// section 3.4). A crypto.Signer returns them in DER. What it returned is
// verified before it leaves: the signer may be a device, or behind a network.
func es256(signer crypto.Signer, public *ecdsa.PublicKey, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	der, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	sig, err := fixed(der)
	if err != nil {
		return nil, err
	}
	if !ecdsa.VerifyASN1(public, digest[:], der) {
		return nil, errors.New("the signature does not verify: not made with this key")
	}
	return sig, nil
}

// fixed turns an ECDSA-Sig-Value in DER (RFC 3279, section 2.2.3) into R and S.
// Both must be from 1 to the order of the group less 1.
func fixed(der []byte) ([]byte, error) {
	var r, s big.Int
	input, inner := cryptobyte.String(der), cryptobyte.String{}
	if !input.ReadASN1(&inner, asn1.SEQUENCE) || !input.Empty() ||
		!inner.ReadASN1Integer(&r) || !inner.ReadASN1Integer(&s) || !inner.Empty() {
		return nil, errors.New("the signature is not two integers in DER")
	}
	sig := make([]byte, 64)
	for i, n := range []*big.Int{&r, &s} {
		if n.Sign() <= 0 || n.Cmp(elliptic.P256().Params().N) >= 0 {
			return nil, fmt.Errorf("integer %d of the signature is out of range", i+1)
		}
		n.FillBytes(sig[32*i : 32*i+32])
	}
	return sig, nil
}
