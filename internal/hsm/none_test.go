//go:build !pkcs11

package hsm

import (
	"errors"
	"testing"
)

func TestWithoutTheTagATokenIsNotOpened(t *testing.T) {
	if _, err := Open(Options{}); !errors.Is(err, ErrNotBuilt) {
		t.Error(err)
	}
	var none *Token
	_, made := none.Make("rsa", "a")
	_, opened := none.Open("a")
	if !errors.Is(made, ErrNotBuilt) || !errors.Is(opened, ErrNotBuilt) || none.Close() != nil {
		t.Error(made, opened)
	}
}
