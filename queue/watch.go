package queue

import "sync"

// watchers wakes those who wait for one key, and nobody else. A key that nobody
// watches takes no memory.
type watchers struct {
	mu   sync.Mutex
	keys map[string]*watched
}

// watched is a key that n wait for.
type watched struct {
	ch chan struct{}
	n  int
}

func (w *watchers) watch(key string) (<-chan struct{}, func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	k := w.keys[key]
	if k == nil {
		if w.keys == nil {
			w.keys = map[string]*watched{}
		}
		k = &watched{ch: make(chan struct{})}
		w.keys[key] = k
	}
	k.n++
	return k.ch, sync.OnceFunc(func() { w.leave(key, k) })
}

// leave forgets the key with its last watcher. A key that was fired since may
// be watched anew by others, whom this is nothing to.
func (w *watchers) leave(key string, k *watched) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k.n--; k.n == 0 && w.keys[key] == k {
		delete(w.keys, key)
	}
}

func (w *watchers) fire(key string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if k := w.keys[key]; k != nil {
		close(k.ch)
		delete(w.keys, key)
	}
}
