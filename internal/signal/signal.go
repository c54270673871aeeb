// Package signal wakes everyone who waits for the next event of a kind.
package signal

import "sync"

// Signal is one kind of event.
type Signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// New returns a signal that has not fired.
func New() *Signal { return &Signal{ch: make(chan struct{})} }

// Wait returns a channel that is closed by the next Fire.
func (s *Signal) Wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.ch
}

// Fire wakes everyone who waits.
func (s *Signal) Fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.ch)
	s.ch = make(chan struct{})
}
