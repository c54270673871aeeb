package search

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/mail"
)

func readFile(path string) ([]byte, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return b, err
}

func TestAQueryFindsTheMailOfOneMailbox(t *testing.T) {
	f := build(t)
	a := f.put(letter{name: "Ada Lovelace", from: "ada@dest.test", to: "Bot <bot@example.test>",
		subject: "Crème brûlée", text: "The recipe of 東京都 is attached.", files: 1, incoming: true})
	b := f.put(letter{from: "bot@example.test", to: "Ada <ada@dest.test>", subject: "Re: Crème brûlée",
		text: "Thank you."})
	c := f.put(letter{from: "carol@other.test", to: "bot@example.test", subject: "Invoice 4711",
		text: "Please pay the invoice of the recipe.", incoming: true})
	other := f.put(letter{box: eve, from: "ada@dest.test", to: "eve@example.test", subject: "Crème brûlée",
		text: "The recipe for Eve alone.", incoming: true})
	f.follow()
	for _, q := range []struct {
		query string
		want  []mail.ID
	}{
		{"creme", []mail.ID{b, a}},
		{"CRÈME brulee", []mail.ID{b, a}},
		{"recipe", []mail.ID{c, a}},
		{"recipe attached", []mail.ID{a}},
		{`"recipe of"`, []mail.ID{a}},
		{`"of recipe"`, nil},
		{"recipe -invoice", []mail.ID{a}},
		{`recipe -"the invoice"`, []mail.ID{a}},
		{"-recipe", []mail.ID{b}},
		{"from:ada", []mail.ID{a}},
		{"FROM:ada@dest.test", []mail.ID{a}},
		{`from:"ada lovelace"`, []mail.ID{a}},
		{"to:ada", []mail.ID{b}},
		{"subject:invoice", []mail.ID{c}},
		{"subject:recipe", nil},
		{"-from:ada recipe", []mail.ID{c}},
		{"has:attachment", []mail.ID{a}},
		{"-has:Attachment", []mail.ID{c, b}},
		{"東京", []mail.ID{a}},
		{"京都", []mail.ID{a}},
		{"東京都", []mail.ID{a}},
		{"都", []mail.ID{a}},
		{"都東", nil},
		{"after:2026-05-01", []mail.ID{c, b, a}},
		{"before:2026-05-01", nil},
		{"before:2026-05-02 after:2026-04-30 creme", []mail.ID{b, a}},
		{"after:2026-05-02", nil},
		{"eve", nil},
	} {
		f.finds(bot, q.query, q.want...)
	}
	f.finds(eve, "recipe", other)
	f.finds(mail.MustAddress("nobody@example.test"), "recipe")
}

func TestPagesFollowEachOther(t *testing.T) {
	f := build(t)
	var all []mail.ID
	for i := range 25 {
		all = append(all, f.put(letter{subject: fmt.Sprint("word ", i)}))
	}
	f.follow()
	slices.Reverse(all)
	var got []mail.ID
	for before := mail.ID(""); ; before = got[len(got)-1] {
		page, err := f.x.Search(t.Context(), bot, "word", before, 10)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, all) {
		t.Errorf("got %v, want %v", got, all)
	}
	page, err := f.x.Search(t.Context(), bot, "word", mail.NewID(f.clock.Now().Add(time.Hour)), 3)
	if err != nil || !slices.Equal(page, all[:3]) {
		t.Errorf("before an id that is not there: %v, %v", page, err)
	}
}

// Ids of one millisecond, and those whose place is taken, keep an order.
func TestMailOfOneMillisecondIsFoundOnceEach(t *testing.T) {
	f := build(t)
	at := string(mail.NewID(f.clock.Now()))[:10]
	var docs []document
	for _, tail := range []string{"ZZZZZZZZZZZZZZZZ", "8000000000000001", "8000000000000000", "0000000000000000"} {
		docs = append(docs, document{id: mail.ID(at + tail), box: bot, kind: boxWord(bot), subject: "word"})
	}
	f.follow()
	err := f.x.use(t.Context(), func(file *file) error { return file.write(t.Context(), change{add: docs}) })
	if err != nil {
		t.Fatal(err)
	}
	got := f.search(bot, "word")
	if len(got) != 4 || got[0] != docs[0].id || got[3] != docs[3].id {
		t.Errorf("found %v", got)
	}
}

func TestBadQueriesAreRefusedWithWhatToDo(t *testing.T) {
	f := build(t)
	f.follow()
	for query, want := range map[string]string{
		"":                          "query has no word to look for",
		"   ":                       "query has no word to look for",
		`""`:                        "query has no word to look for",
		`"*" ^ ( ) : - -- -"" +`:    "query has no word to look for",
		"\x00":                      "query has no word to look for",
		"from:":                     "query has no word to look for",
		"has:":                      "has: takes nothing but attachment",
		"has:love":                  "has: takes nothing but attachment",
		"before:":                   "before: needs a day, such as before:2026-05-31",
		"after:yesterday":           "after: needs a day, such as after:2026-05-31",
		"before:2026-02-30":         "before: needs a day, such as before:2026-05-31",
		"-after:2026-05-31":         "after: needs a day, such as after:2026-05-31",
		strings.Repeat("x", 10<<10): "query is longer than 1000 octets",
		strings.Repeat("x ", 33):    "query has more than 32 parts",
		strings.Repeat("a.", 33):    "a phrase of query has more than 32 words",
	} {
		ids, err := f.x.Search(t.Context(), bot, query, "", 10)
		e := new(mail.Error)
		if !errors.As(err, &e) || e.Kind != mail.ErrInvalid || e.Public != want || ids != nil {
			t.Errorf("%.40q: %v, %v; want %q", query, ids, err, want)
		}
	}
}

// hostile are queries that mean something to FTS5 or to SQL, and nothing to us.
var hostile = []string{
	`NEAR(a b)`, `NEAR(a b, 5)`, `a*`, `*`, `^a`, `a ^ b`, `kind:mail`, `kind : x`, `{kind} : "x"`, `box:eve`,
	`rowid:1`, `body:secret`, `words:x`, `a OR b`, `a AND`, `NOT a`, `AND OR NOT`, `"`, `"a`, `a"`, `"a" "`, `""""`,
	`a + b`, `(a`, `a)`, `((((`, `-`, `--`, `- a`, `'; DROP TABLE doc; --`, `a' OR '1'='1`, "a\x00b", "\xed\xa0\x80 a",
	"\xff", `\`, `a:b:c:`, `from:from:a`, `from:"`, `-from:"a`, `"a" -"`, `a{b}`, `%`, `_`, `?1`, `:a`, `@a`, `$a`,
	`has:attachment has:attachment`, strings.Repeat("(", 900), strings.Repeat(`"`, 901), strings.Repeat("- ", 400),
	strings.Repeat("-a ", 30), strings.Repeat("日", 30),
}

func TestTheSyntaxOfFTSIsWordsAndNothingElse(t *testing.T) {
	f := build(t)
	secret := f.put(letter{box: eve, from: "eve@example.test", subject: "secret a b", text: "mail x"})
	f.follow()
	for _, query := range hostile {
		ids, err := f.x.Search(t.Context(), bot, query, "", 10)
		if len(ids) > 0 || err != nil && !errors.Is(err, mail.ErrInvalid) {
			t.Errorf("%q: %v, %v", query, ids, err)
		}
	}
	f.finds(eve, `kind:mail`)
	f.finds(eve, "NEAR(a b)")
	f.finds(eve, "-NEAR(a b)", secret)
	if f.x.doubt.Load() || f.x.renew.Load() {
		t.Error("a query has cast doubt on the index")
	}
}

func FuzzQuery(f *testing.F) {
	for _, q := range append(hostile, `from:"ada" -to:bob "x y" has:attachment before:2026-05-01`) {
		f.Add(q)
	}
	x := build(f)
	x.put(letter{box: eve, from: "eve@example.test", subject: "secret", text: "a b c x y 日本"})
	x.follow()
	f.Fuzz(func(t *testing.T, query string) {
		ids, err := x.x.Search(context.Background(), bot, query, "", 10)
		if len(ids) > 0 {
			t.Fatalf("%q reaches another mailbox", query)
		}
		if err != nil && !errors.Is(err, mail.ErrInvalid) {
			t.Fatalf("%q: %v", query, err)
		}
		if q, err := parse(query); err == nil && len(q.must)+len(q.not) > maxTerms {
			t.Fatalf("%q has %d terms", query, len(q.must)+len(q.not))
		}
	})
}

func TestWhatAMailboxMayNotSeeIsNotFound(t *testing.T) {
	f := build(t)
	held := f.store(letter{subject: "waiting", text: "unseenword", incoming: true}, step.Facts{Mode: mail.GatedAll})
	f.follow()
	f.finds(bot, "waiting")
	if f.rows() != 0 || len(f.holds("unseenword")) > 0 {
		t.Error("mail that waits for an approver is in the index")
	}
	f.move(held, step.Approve, step.Facts{Mode: mail.GatedAll, Match: true})
	f.follow()
	f.finds(bot, "waiting", held)
	f.move(held, step.Report, step.Facts{})
	f.follow()
	f.finds(bot, "waiting")
	if f.rows() != 0 || f.todo() != 0 {
		t.Errorf("%d mails in the index, %d noted", f.rows(), f.todo())
	}
}

// The octets of what was erased are in no file, also among much that stays.
func TestErasureReachesTheFiles(t *testing.T) {
	f := build(t)
	var gone []mail.ID
	for i := range 600 {
		l := letter{name: "Ada", from: "ada@dest.test", subject: fmt.Sprintf("common subject%d", i), incoming: true,
			text: fmt.Sprintf("common words of many mails and some filler%d %s", i, strings.Repeat("pad ", i%40))}
		if i%10 == 3 {
			l.subject += " zqxsubject"
			l.name, l.from = "Zqxname", "zqxfrom@zqxdomain.test"
			l.text += fmt.Sprintf(" zqxbody zqxunique%dzqx zqx%s %s",
				i, strings.Repeat("long", 12), strings.Repeat("zqxrepeat ", 3000))
		}
		id := f.put(l)
		if i%10 == 3 {
			gone = append(gone, id)
		}
	}
	f.follow()
	if len(f.holds("zqx")) == 0 || len(f.search(bot, "zqxbody")) != len(gone) {
		t.Fatal("the words are not in the index: the test looks past them")
	}
	for _, id := range gone {
		f.move(id, step.Erase, step.Facts{})
	}
	f.follow()
	if in := f.holds("zqx"); in != nil {
		for _, name := range in {
			b, _ := readFile(filepath.Join(f.Dir, name))
			i := strings.Index(string(b), "zqx")
			t.Logf("%s at %d: %q", name, i, b[max(0, i-40):min(len(b), i+60)])
		}
		t.Errorf("erased words are in %v", in)
	}
	f.finds(bot, "zqxbody")
	if n := len(f.search(bot, "common")); n != 540 {
		t.Errorf("%d of the others are found", n)
	}
	if err := f.x.use(t.Context(), func(file *file) error { return file.check(t.Context()) }); err != nil {
		t.Error(err)
	}
}
