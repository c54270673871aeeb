package bolt

import (
	"github.com/tidwall/btree"
)

// layer holds changes that are in the journal and not yet in the file: the newest value of
// each key, or nil where it was deleted. Copies share their nodes until one of them changes.
type layer = btree.Map[string, []byte]

// Kinds of keys in a layer, each the first octet of its key.
const (
	kindRecord = "r"
	kindBody   = "b"
)

// state is what lies above the file.
type state struct {
	top    *layer // never changed once others see it
	octets int64  // of top
	frozen *layer // on its way into the file; nil for none
	moving int64  // octets of frozen
	turn   uint64 // grows whenever frozen changes
}

// layers returns what lies above the file, newest first.
func (s *state) layers() []*layer {
	if s.frozen == nil {
		return []*layer{s.top}
	}
	return []*layer{s.top, s.frozen}
}

// find returns the newest value of a key; known is false where the layers do not say.
func find(layers []*layer, key string) (value []byte, known bool) {
	for _, l := range layers {
		if v, ok := l.Get(key); ok {
			return v, true
		}
	}
	return nil, false
}

// walker goes through the records of one source in the order of the walk.
type walker struct {
	key   string
	value []byte // nil: deleted
	ok    bool
	next  func() (key string, value []byte, ok bool)
}

func (w *walker) step() { w.key, w.value, w.ok = w.next() }

// walkLayer walks a layer from the beginning of a range of records, or from its end.
func walkLayer(l *layer, from, to string, reverse bool) *walker {
	it := l.Iter()
	from = kindRecord + from
	end := kindRecord + to
	if to == "" {
		end = string([]byte{kindRecord[0] + 1})
	}
	started := false
	w := &walker{}
	w.next = func() (string, []byte, bool) {
		var ok bool
		switch {
		case started && reverse:
			ok = it.Prev()
		case started:
			ok = it.Next()
		case !reverse:
			ok = it.Seek(from)
		case it.Seek(end):
			ok = it.Prev()
		default:
			ok = it.Last()
		}
		if started = true; !ok || it.Key() < from || it.Key() >= end {
			return "", nil, false
		}
		return it.Key()[len(kindRecord):], it.Value(), true
	}
	w.step()
	return w
}

// merge calls fn for each key of any source that is there, once, with the value of the first
// source that knows it.
func merge(sources []*walker, reverse bool, fn func(key string, value []byte) error) error {
	for {
		var best *walker
		for _, w := range sources {
			if w.ok && (best == nil || (w.key < best.key) != reverse && w.key != best.key) {
				best = w
			}
		}
		if best == nil {
			return nil
		}
		key, value := best.key, best.value
		for _, w := range sources {
			if w.ok && w.key == key {
				w.step()
			}
		}
		if value == nil {
			continue
		}
		if err := fn(key, value); err != nil {
			return err
		}
	}
}
