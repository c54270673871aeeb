package upgrade_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/gate/step"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// first returns the key and record of the first old notice.
func (f *fixture) first() (key string, rec map[string]any) {
	f.view(func(tx store.Tx) error {
		key = ""
		return storetest.Records(tx).Scan(store.Prefix("inbox/"), func(k string, v []byte) error {
			key = k
			rec = map[string]any{}
			if err := json.Unmarshal(v, &rec); err != nil {
				return err
			}
			return store.Stop
		})
	})
	return
}

// change alters an old notice, or adds one beside it.
type change func(r store.Records, key string, rec map[string]any) error

func put(r store.Records, key string, rec map[string]any) error {
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return r.Put(key, b)
}

func id(rec map[string]any) string { return rec["id"].(string) }

// added are notices beside those that were there.
func added() map[string]change {
	return map[string]change{
		"same id in a second mailbox": func(r store.Records, key string, rec map[string]any) error {
			rec["mailbox"] = "zed@example.test"
			return put(r, "inbox/zed@example.test/"+id(rec), rec)
		},
		"id of a mail that is there": func(r store.Records, key string, rec map[string]any) error {
			about := rec["about"].(string)
			rec["id"] = about
			if err := r.PutBody(store.Inline("inbox/"+about, []byte("x"))); err != nil {
				return err
			}
			return put(r, "inbox/agent@example.test/"+about, rec)
		},
		"no id": func(r store.Records, key string, rec map[string]any) error {
			rec["id"] = ""
			if err := r.PutBody(store.Inline("inbox/", []byte("x"))); err != nil {
				return err
			}
			return put(r, "inbox/agent@example.test/", rec)
		},
		"id is a path": func(r store.Records, key string, rec map[string]any) error {
			rec["id"] = "a/b"
			if err := r.PutBody(store.Inline("inbox/a/b", []byte("x"))); err != nil {
				return err
			}
			return put(r, "inbox/agent@example.test/a/b", rec)
		},
	}
}

// altered are notices in the place of one of them.
func altered() map[string]change {
	return map[string]change{
		"action of 100 kB": func(r store.Records, key string, rec map[string]any) error {
			rec["action"] = strings.Repeat("x", 100000)
			return put(r, key, rec)
		},
		"action of 20 MB": func(r store.Records, key string, rec map[string]any) error {
			rec["action"] = strings.Repeat("x", 20_000_000)
			return put(r, key, rec)
		},
		"action with newline": func(r store.Records, key string, rec map[string]any) error {
			rec["action"] = "rejected\n\x00\u202e"
			return put(r, key, rec)
		},
		"record of another mailbox": func(r store.Records, key string, rec map[string]any) error {
			rec["mailbox"] = "victim@example.test"
			return put(r, key, rec)
		},
		"no about": func(r store.Records, key string, rec map[string]any) error {
			rec["about"] = ""
			return put(r, key, rec)
		},
		"newline subject": func(r store.Records, key string, rec map[string]any) error {
			rec["subject"] = strings.Repeat("s\n", 1000000)
			return put(r, key, rec)
		},
	}
}

// What no program of format 0 wrote is left where it is.
func TestNoticesThatWereNeverWrittenAreLeftOut(t *testing.T) {
	for want, cases := range map[int]map[string]change{1: altered(), 2: added()} {
		for name, change := range cases {
			t.Run(name, func(t *testing.T) {
				f := open(t, unpack(t, "testdata/format-0.tar.gz"))
				key, rec := f.first()
				err := f.db.Update(t.Context(), func(tx store.Tx) error { return change(storetest.Records(tx), key, rec) })
				if err != nil {
					t.Fatal(err)
				}
				for range 2 { // a start is not stopped by them, nor the next
					if err := f.upgrade(); err != nil {
						t.Fatal(err)
					}
				}
				if n := f.keys("in/"); n != want {
					t.Errorf("%d mails are received, want %d", n, want)
				}
				if n := f.keys("inbox/"); n != 1 {
					t.Errorf("%d records are left in their old place, want 1", n)
				}
				_, err = f.log.Verify(t.Context(), f.db, audit.Options{Replay: step.Check, Records: f.ledger.Standings})
				if err != nil {
					t.Error(err)
				}
			})
		}
	}
}
