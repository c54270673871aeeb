package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/tlog"
)

// The format, to the octet. A change here breaks every log that exists.
func TestALeafHasExactlyTheseBytes(t *testing.T) {
	var prev Hash
	prev[0], prev[31] = 0xab, 1
	e := leaf{V: 1, Node: "n", Chain: "c", Seq: 18446744073709551615, Nonce: strings.Repeat("0", 32),
		Time: "2031-05-04T12:00:00.123456789Z", Prev: prev, Kind: "mail.approve", Mail: "M1", Rev: 2, Digest: "sha256:00",
		Actor: Actor{Kind: "approver"}, Facts: map[string]string{"mode": "gated_send", "a": "<&>\u2028é\n\t\"\\😀/\x7f"},
		Commit: map[string]string{"b": "22", "a": "11"}}
	want := `{"v":1,"node":"n","chain":"c","seq":18446744073709551615,"nonce":"00000000000000000000000000000000",` +
		`"time":"2031-05-04T12:00:00.123456789Z","prev":"ab` + strings.Repeat("0", 60) + `01","kind":"mail.approve",` +
		`"mail":"M1","rev":2,"digest":"sha256:00","actor":{"kind":"approver"},` +
		`"facts":{"a":"<&>\u2028\u00e9\u000a\u0009\"\\\ud83d\ude00/\u007f","mode":"gated_send"},"commit":{"a":"11","b":"22"}}`
	if got := string(e.bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	back, err := parse(want)
	if err != nil || string(back.bytes()) != want || back.Facts["a"] != e.Facts["a"] {
		t.Errorf("read back as %+v: %v", back, err)
	}
	short := leaf{V: 1, Node: "n", Chain: "n", Kind: "freeze", Actor: Actor{Kind: "agent", ID: "agent:a"}}
	want = `{"v":1,"node":"n","chain":"n","seq":0,"nonce":"","time":"","prev":"` + strings.Repeat("0", 64) +
		`","kind":"freeze","actor":{"kind":"agent","id":"agent:a"}}`
	if got := string(short.bytes()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestTheHashOfAnEntryIsThatOfRFC6962(t *testing.T) {
	const line = `{"v":1}`
	if want := sha256.Sum256([]byte("\x00" + line)); hashOf(line) != want {
		t.Errorf("got %s, want %x", hashOf(line), want)
	}
}

// The commitment, computed by hand.
func TestACommitmentIsToFieldSaltAndValue(t *testing.T) {
	o := Opening{Salt: "0011", Value: "bob@far.test"}
	framed := "\x00\x00\x00\x00\x00\x00\x00\x12multimail-audit-v1" + "\x00\x00\x00\x00\x00\x00\x00\x05rcpts" +
		"\x00\x00\x00\x00\x00\x00\x00\x040011" + "\x00\x00\x00\x00\x00\x00\x00\x0cbob@far.test"
	want := sha256.Sum256([]byte(framed))
	if got := o.commitment("rcpts"); got != hex.EncodeToString(want[:]) {
		t.Errorf("got %s, want %x", got, want)
	}
	seen := map[string]bool{}
	for _, p := range [][3]string{
		{"ab", "c", "d"}, {"a", "bc", "d"}, {"a", "b", "cd"}, {"abcd", "", ""}, {"", "", "abcd"},
	} {
		c := Opening{Salt: p[1], Value: p[2]}.commitment(p[0])
		if seen[c] {
			t.Errorf("%q has the commitment of another", p)
		}
		seen[c] = true
	}
}

func TestTheVocabularyNamesEveryKindOnce(t *testing.T) {
	seen := map[Kind]bool{}
	for _, k := range Kinds() {
		if seen[k] || !k.Known() || !isName(string(k)) || strings.ToLower(string(k)) != string(k) {
			t.Errorf("kind %q", k)
		}
		seen[k] = true
	}
	for _, k := range []Kind{"", "mail", "mail.", "MAIL.SENT", "mail.sent\n", "mail.edit"} {
		if k.Known() {
			t.Errorf("%q is known", k)
		}
	}
}

func TestAHashIsReadOnlyAsItIsWritten(t *testing.T) {
	h := hashOf("x")
	b, err := json.Marshal(h)
	var back Hash
	if err != nil || string(b) != `"`+h.String()+`"` || json.Unmarshal(b, &back) != nil || back != h {
		t.Errorf("%s became %s: %v", b, back, err)
	}
	hex := h.String()
	for _, bad := range []string{"", "0", hex + "00", hex[2:], strings.ToUpper(hex), strings.Repeat("g", 64)} {
		if err := back.UnmarshalText([]byte(bad)); err == nil {
			t.Errorf("%q was read as a hash", bad)
		}
	}
}

// stored keeps every hash of a tree, as the other implementation wants it.
type stored []tlog.Hash

func (s stored) ReadHashes(at []int64) ([]tlog.Hash, error) {
	var out []tlog.Hash
	for _, i := range at {
		out = append(out, s[i])
	}
	return out, nil
}

func TestTheRootIsThatOfAnotherImplementationAndProvesEveryEntry(t *testing.T) {
	var mine tree
	var theirs stored
	if want := sha256.Sum256(nil); mine.root() != want { // RFC 6962, section 2.1
		t.Errorf("the empty tree has the root %s", mine.root())
	}
	for n := range int64(130) {
		line := fmt.Sprint("entry ", n)
		mine.add(hashOf(line))
		more, err := tlog.StoredHashes(n, []byte(line), theirs)
		if err != nil {
			t.Fatal(err)
		}
		theirs = append(theirs, more...)
		want, err := tlog.TreeHash(n+1, theirs)
		if err != nil || Hash(want) != mine.root() {
			t.Fatalf("size %d: got %s, want %s: %v", n+1, mine.root(), Hash(want), err)
		}
		if k := bits.OnesCount64(uint64(n + 1)); len(mine.roots) != k {
			t.Errorf("size %d: %d nodes are kept, want %d", n+1, len(mine.roots), k)
		}
		proof, err := tlog.ProveRecord(n+1, n/2, theirs)
		if err != nil {
			t.Fatal(err)
		}
		leaf := tlog.Hash(hashOf(fmt.Sprint("entry ", n/2)))
		if err := tlog.CheckRecord(proof, n+1, tlog.Hash(mine.root()), n/2, leaf); err != nil {
			t.Errorf("size %d: %v", n+1, err)
		}
	}
}

// endless writes a log as long as it is asked for and keeps none of it.
type endless struct {
	left int
	e    leaf
	rest []byte
}

func (l *endless) Read(p []byte) (int, error) {
	if len(l.rest) == 0 && l.left > 0 {
		l.left--
		line := l.e.bytes()
		x := Entry{Hash: hashOf(string(line)), Leaf: string(line)}
		l.rest = append(x.line(), '\n')
		l.e.Prev, l.e.Seq = x.Hash, l.e.Seq+1
	}
	if len(l.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(p, l.rest)
	l.rest = l.rest[n:]
	return n, nil
}

func TestWhatVerifyKeepsOfALogDoesNotGrowWithIt(t *testing.T) {
	const size = 20000
	log := &endless{left: size, e: leaf{V: version, Node: "n", Chain: "n", Time: "2031-05-04T12:00:00Z", Kind: Freeze}}
	v := newVerifier(Options{})
	log.rest = frame{Export: &opener{Version: exportVersion}}.line()
	var f *Fault // without a closing line
	if err := v.run(log); !errors.As(err, &f) || !strings.Contains(f.Why, "no closing line") {
		t.Fatal(err)
	}
	c := v.chains["n"]
	if c.tree.size != size || cap(c.tree.roots) > 2*bits.Len(size) || len(v.chains) != 1 {
		t.Errorf("%d entries, a capacity of %d nodes, %d chains", c.tree.size, cap(c.tree.roots), len(v.chains))
	}
}

func TestALogOfTooManyChainsIsRefused(t *testing.T) {
	var b bytes.Buffer
	b.Write(frame{Export: &opener{Version: exportVersion}}.line())
	for i := range maxChains + 1 {
		name := fmt.Sprint("n", i)
		line := leaf{V: version, Node: name, Chain: name, Time: "2031-05-04T12:00:00Z", Kind: Freeze}.bytes()
		b.Write(append(Entry{Hash: hashOf(string(line)), Leaf: string(line)}.line(), '\n'))
	}
	r, err := Verify(&b, Options{})
	if err == nil || len(r.Chains) != maxChains || !strings.Contains(err.Error(), "more than 4096 chains") {
		t.Errorf("%d chains: %v", len(r.Chains), err)
	}
}

// FuzzString holds the strings written here against the reader of the standard
// library.
func FuzzString(f *testing.F) {
	for _, s := range []string{"", "a\"\\/", "\x00\n\u2028\u0085\x7f", "é😀\U0010ffff", "\xff\xed\xa0\x80"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		b := appendString(nil, s)
		for _, c := range b {
			if c < ' ' || c > '~' {
				t.Fatalf("octet %#x in %q", c, b)
			}
		}
		var back string
		if err := json.Unmarshal(b, &back); err != nil || back != string([]rune(s)) {
			t.Fatalf("%q was read as %q: %v", b, back, err)
		}
	})
}
