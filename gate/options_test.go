package gate

import (
	"reflect"
	"strings"
	"testing"
)

// A limit of zero could be taken for none.
func TestAGateNeedsEveryLimit(t *testing.T) {
	full := Options{MaxSize: 1, MaxRcpt: 1, HeldSize: 1, BacklogSize: 1, HeldCount: 1, BacklogCount: 1,
		RetryLifetime: 1, SubmissionsPerMinute: 1, QuotaSize: 1, QuotaCount: 1, RetentionSize: 1, TrashAfter: 1}
	full.check()
	v := reflect.ValueOf(&full).Elem()
	numbers := 0
	for i := range v.NumField() {
		if k := v.Field(i).Kind(); k != reflect.Int && k != reflect.Int64 || v.Type().Field(i).Name == "Retention" {
			continue // a retention is no limit: without one mail stays
		}
		numbers++
		name := v.Type().Field(i).Name
		func() {
			defer func() {
				if r, _ := recover().(string); !strings.Contains(r, name) {
					t.Errorf("without %s: %q", name, r)
				}
			}()
			o := full
			reflect.ValueOf(&o).Elem().Field(i).SetZero()
			o.check()
		}()
	}
	if numbers != 12 {
		t.Errorf("found %d limits", numbers)
	}
}
