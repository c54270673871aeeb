package queue

import (
	"testing"
)

func TestAKeyIsForgottenWithItsLastWatcher(t *testing.T) {
	var w watchers
	a, stopA := w.watch("a")
	_, stopB := w.watch("a")
	c, stopC := w.watch("c")
	w.fire("b")
	stopA()
	stopA() // twice is once
	if len(w.keys) != 2 {
		t.Errorf("%d keys, want 2", len(w.keys))
	}
	w.fire("a")
	select {
	case <-a:
	default:
		t.Error("a watcher of the key that was fired still waits")
	}
	select {
	case <-c:
		t.Error("a watcher of another key was woken")
	default:
	}
	_, stopNew := w.watch("a")
	stopB() // of the key before: the new watcher stays
	if w.keys["a"] == nil {
		t.Error("a late stop took the key from a new watcher")
	}
	stopNew()
	stopC()
	if len(w.keys) != 0 {
		t.Errorf("%d keys are left", len(w.keys))
	}
}
