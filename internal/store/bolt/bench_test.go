package bolt

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"go.etcd.io/bbolt"

	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/storetest"
)

// BenchmarkUpdate stores values of 4 KiB under growing keys, beside what bbolt
// does when every goroutine calls its Update.
func BenchmarkUpdate(b *testing.B) {
	value := make([]byte, 4<<10)
	for _, goroutines := range []int{1, 32, 256} {
		b.Run(fmt.Sprintf("ours/%d", goroutines), func(b *testing.B) {
			db := mustOpen(b, Options{Dir: b.TempDir(), Create: true})
			spread(b, goroutines, func(key string) error {
				return db.Update(context.Background(), func(tx store.Tx) error { return storetest.Records(tx).Put(key, value) })
			})
		})
		b.Run(fmt.Sprintf("bbolt/%d", goroutines), func(b *testing.B) {
			db, err := bbolt.Open(filepath.Join(b.TempDir(), fileName), 0o600, boltOptions())
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			spread(b, goroutines, func(key string) error {
				return db.Update(func(tx *bbolt.Tx) error {
					bucket, err := tx.CreateBucketIfNotExists(recordBucket)
					if err != nil {
						return err
					}
					return bucket.Put([]byte(key), value)
				})
			})
		})
	}
}

func spread(b *testing.B, goroutines int, fn func(key string) error) {
	var next atomic.Int64
	var wg sync.WaitGroup
	b.ResetTimer()
	for range goroutines {
		wg.Go(func() {
			for n := next.Add(1); n <= int64(b.N); n = next.Add(1) {
				if err := fn(fmt.Sprintf("mail/%012d", n)); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "updates/s")
}
