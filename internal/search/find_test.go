package search

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/multimail/multimail/mail"
)

// large writes n mails into the index past the ledger, two in each second, for bot and for
// eve in turns. Every tenth is a mark. It returns what bot has, newest first.
func (f *fixture) large(n int) (own []mail.ID) {
	f.Helper()
	f.follow()
	var c change
	for i := range n {
		u := ulid.ULID{8: 8, 15: byte(i)} // next to a mark
		if i%10 == 0 {
			u[8] = 0
		}
		if err := u.SetTime(uint64(f.clock.Now().Add(time.Duration(i) * 500 * time.Millisecond).UnixMilli())); err != nil {
			f.Fatal(err)
		}
		box := bot
		if i%2 == 1 {
			box = eve
		} else {
			own = append(own, mail.ID(u.String()))
		}
		c.add = append(c.add, document{id: mail.ID(u.String()), box: box, kind: boxWord(box), subject: "word"})
	}
	slices.Reverse(c.add)
	slices.Reverse(own)
	marks := 0
	err := f.x.use(f.Context(), func(file *file) error {
		if err := file.write(f.Context(), c); err != nil {
			return err
		}
		return file.db.QueryRow("SELECT count(*) FROM doc WHERE n % 512 = 0").Scan(&marks)
	})
	if err != nil || marks != n/10 {
		f.Fatalf("%d marks, %v", marks, err)
	}
	return own
}

// ticks is a clock that goes on by d whenever it is read.
func ticks(d time.Duration) func() time.Time {
	now := time.Unix(1e9, 0)
	return func() time.Time {
		now = now.Add(d)
		return now
	}
}

// walk follows a search to its end, and returns what it finds and how often it stopped
// early.
func (f *fixture) walk(query string, limit int) (all []mail.ID, stops int) {
	f.Helper()
	before := mail.ID("")
	for range 1000 {
		ids, rest, err := f.x.Search(f.Context(), bot, query, before, limit)
		if err != nil || len(ids) > limit {
			f.Fatalf("%d ids, %v", len(ids), err)
		}
		all = append(all, ids...)
		switch {
		case rest != "" && (before != "" && rest >= before || len(ids) > 0 && rest > ids[len(ids)-1]):
			f.Fatalf("the search goes on at %s after %s and %v", rest, before, ids)
		case rest != "":
			before = rest
			stops++
		case len(ids) == limit:
			before = ids[len(ids)-1]
		default:
			return all, stops
		}
	}
	f.Fatal("the search comes to no end")
	return nil, 0
}

func TestASearchThatHasTakenItsTimeGoesOnWhereItStopped(t *testing.T) {
	f := build(t)
	own := f.large(400)
	for name, tick := range map[string]time.Duration{"quick": 0, "slow": 3 * time.Millisecond, "very slow": spend} {
		f.x.now = ticks(tick)
		for _, limit := range []int{1, 7, 10, 1000} {
			all, stops := f.walk("word", limit)
			if !slices.Equal(all, own) {
				t.Errorf("%s, %d at once: finds %d, want %d", name, limit, len(all), len(own))
			}
			if tick == 0 && stops > 0 || tick == spend && limit > 5 && stops == 0 {
				t.Errorf("%s, %d at once: stops %d times", name, limit, stops)
			}
		}
		if all, stops := f.walk("word -word", 10); len(all) != 0 || stops > 0 != (tick > 0) {
			t.Errorf("%s: a query that finds nothing finds %v and stops %d times", name, all, stops)
		}
		if all, _ := f.walk("word after:2026-05-02", 10); len(all) != 0 {
			t.Errorf("%s: finds %v of another day", name, all)
		}
	}
}

// Where a search stops, must not tell an agent when mail of others has come.
func TestWhereASearchStopsIsBetweenTwoSeconds(t *testing.T) {
	f := build(t)
	f.large(400)
	f.x.now = ticks(spend)
	before := mail.ID("")
	for n := 0; ; n++ {
		_, rest, err := f.x.Search(t.Context(), bot, "word", before, 1000)
		if err != nil {
			t.Fatal(err)
		}
		if before = rest; rest == "" {
			if n < 10 {
				t.Errorf("it stopped %d times: the test looks past it", n)
			}
			return
		}
		u, err := ulid.ParseStrict(string(rest))
		if err != nil || u.Time()%1000 != 0 || rest != mail.FirstID(ulid.Time(u.Time())) {
			t.Errorf("it stopped at %s, %v", rest, err)
		}
	}
}

// What an interrupted part has found is found again by the next search, and counts once.
func TestAnInterruptedPartIsLookedAtAgain(t *testing.T) {
	f := build(t)
	own := f.large(400)
	ctx, cancel := context.WithCancel(t.Context())
	calls := 0
	f.x.now = func() time.Time {
		if calls++; calls == 4 { // at the beginning of the second part
			cancel()
		}
		return time.Unix(1e9, 0)
	}
	q, err := parse("word")
	if err != nil {
		t.Fatal(err)
	}
	l := lookup{box: bot, query: q, limit: 1000}
	err = f.x.use(t.Context(), func(file *file) error { return f.x.look(ctx, file, &l, "") })
	if !errors.Is(err, context.Canceled) || len(l.ids) == 0 || l.rest == "" {
		t.Fatalf("%d found, goes on at %q, %v", len(l.ids), l.rest, err)
	}
	f.x.now = time.Now
	further, _, err := f.x.Search(t.Context(), bot, "word", l.rest, 1000)
	if err != nil || !slices.Equal(append(l.ids, further...), own) {
		t.Errorf("%d and then %d found of %d, %v", len(l.ids), len(further), len(own), err)
	}
}

func TestTheNextPartIsAsLargeAsTheTimeThatIsLeft(t *testing.T) {
	for _, c := range []struct {
		marks      int
		left, took time.Duration
		want       int
	}{
		{1, 9 * time.Millisecond, time.Millisecond, 9},
		{4, 5 * time.Millisecond, 10 * time.Millisecond, 2},
		{1, time.Nanosecond, time.Second, 1},
		{1, 9 * time.Millisecond, 0, growth},
		{16, 9 * time.Millisecond, time.Microsecond, 16 * growth},
	} {
		if got := scaled(c.marks, c.left, c.took); got != c.want {
			t.Errorf("after %d marks in %v, with %v left: %d, want %d", c.marks, c.took, c.left, got, c.want)
		}
	}
}
