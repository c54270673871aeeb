package config

import (
	"reflect"
	"slices"
	"testing"
)

// A setting that a reload does not name as changed would be taken for one in force.
func TestChangedNamesEverySetting(t *testing.T) {
	if got := Default().Changed(Default()); len(got) != 0 {
		t.Errorf("nothing changed, and %v", got)
	}
	var want []string
	c := Default()
	var spoil func(table string, v reflect.Value)
	spoil = func(table string, v reflect.Value) {
		for i := range v.NumField() {
			key, f := table+v.Type().Field(i).Tag.Get("toml"), v.Field(i)
			switch f.Kind() {
			case reflect.Struct:
				spoil(key+".", f)
				continue
			case reflect.String:
				f.SetString(f.String() + "x")
			case reflect.Bool:
				f.SetBool(!f.Bool())
			case reflect.Int, reflect.Int64:
				f.SetInt(f.Int() + 1)
			case reflect.Slice:
				f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
			default:
				t.Fatalf("%s: this test knows no %s", key, f.Kind())
			}
			want = append(want, key)
		}
	}
	spoil("", reflect.ValueOf(&c).Elem())
	if got := Default().Changed(c); !slices.Equal(got, want) || !slices.Contains(got, "smtp.max_size") {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
