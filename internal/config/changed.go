package config

import "reflect"

// Changed returns the keys whose values differ between c and o, such as
// "smtp.max_size", in the order of the file.
func (c Config) Changed(o Config) []string {
	return changed("", reflect.ValueOf(c), reflect.ValueOf(o))
}

func changed(table string, a, b reflect.Value) (keys []string) {
	for i := range a.NumField() {
		key := table + a.Type().Field(i).Tag.Get("toml")
		switch x, y := a.Field(i), b.Field(i); {
		case x.Kind() == reflect.Struct:
			keys = append(keys, changed(key+".", x, y)...)
		case !reflect.DeepEqual(x.Interface(), y.Interface()):
			keys = append(keys, key)
		}
	}
	return keys
}
