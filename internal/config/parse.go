package config

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// decode reads text into c. Keys are compared with the table first: the decoder
// would take MAX_SIZE for max_size, and a number for a duration.
func decode(name, text string, c *Config) error {
	err := eachKey(text, func(key string, value *unstable.Node, line int) error {
		if err := known(key, value); err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	err = toml.Unmarshal([]byte(text), c)
	var bad *toml.DecodeError
	if errors.As(err, &bad) {
		line, _ := bad.Position()
		what, _, _ := strings.Cut(strings.TrimPrefix(bad.Error(), "toml: "), " into ") // what follows are names of Go types
		if key := strings.Join(bad.Key(), "."); key != "" && !strings.Contains(what, "already") {
			what = key + ": " + what
		}
		return fmt.Errorf("%s:%d: %s", name, line, what)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// placed adds the line of its key to an error of Check.
func placed(name, text string, err error) error {
	var bad *KeyError
	if !errors.As(err, &bad) {
		return err
	}
	at := 0
	eachKey(text, func(key string, _ *unstable.Node, line int) error {
		if key == bad.Key {
			at = line
		}
		return nil
	})
	if at == 0 { // a default, or nothing where something is required
		return fmt.Errorf("%s: %w", name, err)
	}
	return fmt.Errorf("%s:%d: %w", name, at, err)
}

// eachKey calls fn with the full name of each key and each table (whose value is
// nil) and with the line it stands on, up to the first error, or up to what is
// no TOML: that is for the decoder to report.
func eachKey(text string, fn func(key string, value *unstable.Node, line int) error) error {
	var p unstable.Parser
	p.Reset([]byte(text))
	table := ""
	for p.NextExpression() {
		e := p.Expression()
		key, line := join(&p, table, e)
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			key, line = join(&p, "", e)
			table = key
			if err := fn(key, nil, line); err != nil {
				return err
			}
		case unstable.KeyValue:
			if err := eachIn(&p, key, e, line, fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachIn calls fn with a key and its value, or with the keys of an inline table.
func eachIn(p *unstable.Parser, key string, e *unstable.Node, line int,
	fn func(string, *unstable.Node, int) error) error {
	value := e.Value()
	if value.Kind != unstable.InlineTable {
		return fn(key, value, line)
	}
	if err := fn(key, nil, line); err != nil {
		return err
	}
	for it := value.Children(); it.Next(); {
		inner, line := join(p, key, it.Node())
		if err := eachIn(p, inner, it.Node(), line, fn); err != nil {
			return err
		}
	}
	return nil
}

// join returns the full name of an expression's key and its line.
func join(p *unstable.Parser, table string, e *unstable.Node) (key string, line int) {
	var parts []string
	if table != "" {
		parts = append(parts, table)
	}
	for it := e.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
		line = p.Shape(it.Node().Raw).Start.Line
	}
	return strings.Join(parts, "."), line
}

// known refuses a key that the table has not, and a value of another type.
func known(key string, value *unstable.Node) error {
	i := slices.IndexFunc(Settings, func(s Setting) bool { return s.Key == key })
	isTable := slices.ContainsFunc(sections, func(s section) bool { return s.name == key })
	switch {
	case i < 0 && !isTable:
		return fmt.Errorf("unknown key %s", key)
	case isTable && value != nil, i >= 0 && value == nil:
		return fmt.Errorf("%s: a table in the place of a value, or a value in the place of a table", key)
	case i >= 0 && !slices.Contains(kinds[Settings[i].Type()], value.Kind):
		return fmt.Errorf("%s: the value must be a %s", key, Settings[i].Type())
	}
	return nil
}

// kinds are how the values of a type are written.
var kinds = map[string][]unstable.Kind{
	"text":          {unstable.String},
	"number":        {unstable.Integer},
	"size":          {unstable.String, unstable.Integer},
	"duration":      {unstable.String},
	"true or false": {unstable.Bool},
	"list of texts": {unstable.Array},
}
