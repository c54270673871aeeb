package bounce

import (
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

var noon = time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)

// fixture is a store with keys, and addresses below bounce.
type fixture struct {
	db *storetest.Memory
	a  *Addresses
}

func build(t testing.TB) *fixture {
	f := &fixture{db: storetest.NewMemory(noon), a: New("bounce")}
	if err := f.update(f.a.Prepare); err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) update(fn func(store.Tx) error) error {
	return f.db.Update(context.Background(), fn)
}

func (f *fixture) make(t testing.TB, domain string, tok Token) (to mail.Address) {
	t.Helper()
	err := f.update(func(tx store.Tx) (err error) { to, err = f.a.Make(tx, domain, tok); return err })
	if err != nil {
		t.Fatal(err)
	}
	return to
}

func (f *fixture) read(t testing.TB, to mail.Address) (tok Token, ok bool) {
	t.Helper()
	err := f.update(func(tx store.Tx) (err error) { tok, ok, err = f.a.Read(tx, to); return err })
	if err != nil {
		t.Fatal(err)
	}
	return tok, ok
}

func TestAnAddressSaysWhatItWasMadeFor(t *testing.T) {
	f := build(t)
	for _, group := range []Group{0, 1, 499, Copies} {
		id := mail.NewID(noon)
		to := f.make(t, "example.com", Token{Mail: id, Group: group})
		if len(to.Local()) > 64 || to.Local() != strings.ToLower(to.Local()) || to.Domain() != "bounce.example.com" {
			t.Errorf("got %s", to)
		}
		if strings.Trim(to.Local(), "abcdefghijklmnopqrstuvwxyz234567") != "" {
			t.Errorf("%s is not lower-case base32", to)
		}
		want := Token{Mail: id, Group: group, Day: day(noon)}
		if got, ok := f.read(t, to); !ok || got != want {
			t.Errorf("got %+v %v, want %+v", got, ok, want)
		}
		upper := mail.MustAddress(strings.ToUpper(to.Local()) + "@BOUNCE.Example.com")
		if got, ok := f.read(t, upper); !ok || got != want {
			t.Errorf("in upper case: got %+v %v", got, ok)
		}
	}
}

// Every single character is changed to every other one of the alphabet, and to some
// that are in none.
func TestAChangedCharacterIsRefused(t *testing.T) {
	f := build(t)
	to := f.make(t, "example.com", Token{Mail: mail.NewID(noon), Group: 3})
	local, tried := to.Local(), 0
	for i := range local {
		for _, c := range "abcdefghijklmnopqrstuvwxyz234567" + "ABCXYZ0189=-_+." {
			changed := local[:i] + string(c) + local[i+1:]
			if strings.EqualFold(changed, local) {
				continue
			}
			a, err := mail.ParseAddress(changed + "@" + to.Domain())
			if err != nil {
				continue // no address at all
			}
			tried++
			if got, ok := f.read(t, a); ok {
				t.Fatalf("%s is taken for %+v", a, got)
			}
		}
	}
	for _, other := range []string{local[1:], local[:55], local + "a", local + "=", "x" + local, "a"} {
		tried++
		if _, ok := f.read(t, mail.MustAddress(other+"@"+to.Domain())); ok {
			t.Errorf("%s is taken", other)
		}
	}
	if tried < 56*31 {
		t.Errorf("only %d were tried", tried)
	}
}

// The proof of one token under the words of another fits only if both are one.
func TestTheProofOfAnotherTokenNeverFits(t *testing.T) {
	f := build(t)
	ids := []mail.ID{mail.NewID(noon), mail.NewID(noon)}
	type made struct {
		tok   Token
		octet []byte
	}
	var all []made
	ks := f.keys(t)
	for _, id := range ids {
		for _, group := range []Group{0, 1, 256, Copies} {
			for _, d := range []uint16{day(noon), day(noon) - 1, day(noon) - 29} {
				tok := Token{Mail: id, Group: group, Day: d}
				local, err := ks.Keys[0].seal(tok)
				if err != nil {
					t.Fatal(err)
				}
				b, _ := decode(local)
				all = append(all, made{tok, b})
			}
		}
	}
	for i, x := range all {
		for j, y := range all {
			mixed := encoding.EncodeToString(append(append([]byte(nil), x.octet[:bodyLen]...), y.octet[bodyLen:]...))
			got, ok := ks.open(mixed)
			if ok != (i == j) || ok && got != x.tok {
				t.Errorf("%+v with the proof of %+v: %v", x.tok, y.tok, ok)
			}
		}
	}
}

func TestATokenIsGoodForThirtyDays(t *testing.T) {
	f := build(t)
	to := f.make(t, "example.com", Token{Mail: mail.NewID(noon)})
	for _, tt := range []struct {
		after time.Duration
		ok    bool
	}{{0, true}, {11 * time.Hour, true}, {30 * 24 * time.Hour, true}, {31 * 24 * time.Hour, false},
		{400 * 24 * time.Hour, false}, {-24 * time.Hour, false}} {
		f.db.Time = noon.Add(tt.after)
		if _, ok := f.read(t, to); ok != tt.ok {
			t.Errorf("after %s: %v", tt.after, ok)
		}
	}
}

func TestTokensSurviveARestartAndOneChangeOfTheKey(t *testing.T) {
	f := build(t)
	to := f.make(t, "example.com", Token{Mail: mail.NewID(noon)})
	again := func(at time.Time) int {
		f.db.Time = at
		if err := f.update(New("bounce").Prepare); err != nil {
			t.Fatal(err)
		}
		return len(f.keys(t).Keys)
	}
	if n := again(noon.Add(time.Hour)); n != 1 {
		t.Errorf("a restart left %d keys", n)
	}
	if _, ok := f.read(t, to); !ok {
		t.Error("refused after a restart")
	}
	late := noon.Add(keyLife - 24*time.Hour)
	f.db.Time = late
	to = f.make(t, "example.com", Token{Mail: mail.NewID(noon)})
	if n := again(noon.Add(keyLife)); n != 2 {
		t.Errorf("%d keys after one became old", n)
	}
	if _, ok := f.read(t, to); !ok {
		t.Error("refused with the key before the newest")
	}
	if n := again(noon.Add(2 * keyLife)); n != 2 {
		t.Errorf("%d keys are kept", n)
	}
}

func TestAnotherInstallationsTokenIsRefused(t *testing.T) {
	f, other := build(t), build(t)
	to := other.make(t, "example.com", Token{Mail: mail.NewID(noon)})
	if _, ok := f.read(t, to); ok {
		t.Error("taken")
	}
}

func TestOnlyAddressesBelowTheLabelAreRead(t *testing.T) {
	f := build(t)
	to := f.make(t, "example.com", Token{Mail: mail.NewID(noon)})
	for _, domain := range []string{"example.com", "bounces.example.com", "x.bounce.example.com"} {
		if _, ok := f.read(t, mail.MustAddress(to.Local()+"@"+domain)); ok {
			t.Errorf("taken at %s", domain)
		}
	}
	none := New("")
	err := f.update(func(tx store.Tx) error {
		_, err := none.Make(tx, "example.com", Token{Mail: mail.NewID(noon)})
		if _, ok, _ := none.Read(tx, to); ok {
			t.Error("read without a label")
		}
		return err
	})
	if err != ErrNone {
		t.Errorf("got %v", err)
	}
	long := strings.Repeat("a", 63) + "." + strings.Repeat("b", 63) + "." + strings.Repeat("c", 63) + ".example"
	err = f.update(func(tx store.Tx) error { _, err := f.a.Make(tx, long, Token{Mail: mail.NewID(noon)}); return err })
	if err != ErrNone {
		t.Errorf("a domain without room: %v", err)
	}
}

func TestWhatTheAuthorWasToldIsToldOnceAndForgotten(t *testing.T) {
	f := build(t)
	tell := func(tok Token, action string) (before bool) {
		t.Helper()
		err := f.update(func(tx store.Tx) (err error) { before, err = f.a.Told(tx, tok, action); return err })
		if err != nil {
			t.Fatal(err)
		}
		return before
	}
	tok := Token{Mail: mail.NewID(noon), Day: day(noon)}
	for i := range 1000 {
		if before := tell(tok, "delayed"); before != (i > 0) {
			t.Fatalf("report %d: %v", i, before)
		}
	}
	for i := range 25 {
		tell(Token{Mail: mail.NewID(noon), Group: Group(i), Day: day(noon)}, "delivered")
	}
	f.db.Time = noon.Add(60 * 24 * time.Hour)
	for i := range 5 {
		tell(Token{Mail: mail.NewID(noon), Group: Group(i), Day: day(noon) + 60}, "delivered")
	}
	if n := len(f.db.All()); n != 1+5 { // the keys, and what is new
		t.Errorf("%d records are left", n)
	}
}

func (f *fixture) keys(t testing.TB) (ks keys) {
	t.Helper()
	err := f.update(func(tx store.Tx) (err error) { ks, err = read(tx); return err })
	if err != nil {
		t.Fatal(err)
	}
	return ks
}

// FuzzRead: what is read as a token is one that the key made, in whatever case.
func FuzzRead(f *testing.F) {
	h := build(f)
	to := h.make(f, "example.com", Token{Mail: mail.NewID(noon), Group: 7})
	f.Add(to.Local(), uint64(1))
	f.Add(strings.ToUpper(to.Local()), uint64(2))
	f.Add("postmaster", uint64(3))
	f.Add(strings.Repeat("a", 56), uint64(4))
	f.Fuzz(func(t *testing.T, local string, seed uint64) {
		if read, ok := h.keys(t).open(local); ok {
			again, err := h.keys(t).Keys[0].seal(read)
			if err != nil || !strings.EqualFold(again, local) {
				t.Fatalf("%q is taken for %+v", local, read)
			}
		}
		r := rand.New(rand.NewPCG(seed, seed))
		tok := Token{Mail: mail.NewID(noon), Group: Group(r.Uint32()), Day: uint16(r.Uint32())}
		own, err := h.keys(t).Keys[0].seal(tok)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := h.keys(t).open(own)
		if !ok || got != tok {
			t.Fatalf("%+v came back as %+v", tok, got)
		}
		i := r.IntN(len(own))
		if bent := own[:i] + string(local + own)[:1] + own[i+1:]; !strings.EqualFold(bent, own) {
			if _, ok := h.keys(t).open(bent); ok {
				t.Fatalf("%q is taken", bent)
			}
		}
	})
}
