package httpd

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestWorkThatFindsNoTurnIsRefusedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &Server{slots: make(chan struct{}, 1)}
		s.slots <- struct{}{}
		start := time.Now()
		err := s.work(context.Background(), caller{heavy: true}, func() error { t.Error("ran without a turn"); return nil })
		if status, _ := translate(err); status != 503 || time.Since(start) != slotWait {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		if err := s.work(context.Background(), caller{},
			func() error { t.Error("ran without a turn"); return nil }); err == nil {
			t.Error("an operation works that is not marked as heavy")
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		start = time.Now()
		err = s.work(ctx, caller{heavy: true}, func() error { t.Error("ran for a client that is gone"); return nil })
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != time.Second {
			t.Errorf("got %v after %v", err, time.Since(start))
		}
		<-s.slots
		if err := s.work(context.Background(), caller{heavy: true}, func() error { return nil }); err != nil ||
			len(s.slots) != 0 {
			t.Errorf("got %v, %d turns taken", err, len(s.slots))
		}
	})
}
