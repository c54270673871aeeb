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
	given := map[string]bool{}
	err := eachKey(text, func(at place, value *unstable.Node) error {
		given[at.path] = true
		if err := known(at, value); err != nil {
			return fmt.Errorf("%s:%d: %w", name, at.line, err)
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
	fill(c, given)
	return nil
}

// fill gives the tables of a list the defaults of the keys that are not given:
// the decoder makes each of them from nothing.
func fill(c *Config, given map[string]bool) {
	for _, s := range Settings {
		if table, _ := s.table(); !listed(table) {
			continue
		}
		for _, v := range valuesOf(*c, s.Key) {
			if !given[v.path] {
				v.Set(valuesOf(oneOfEach(), s.Key)[0].Value)
			}
		}
	}
}

// placed adds the line of its key to an error of Check, or that of its table
// where the key is not given.
func placed(name, text string, err error) error {
	var bad *KeyError
	if !errors.As(err, &bad) {
		return err
	}
	lines := map[string]int{}
	eachKey(text, func(at place, _ *unstable.Node) error {
		lines[at.path] = at.line
		return nil
	})
	for path := bad.Key; path != ""; path = path[:max(strings.LastIndexByte(path, '.'), 0)] {
		if at := lines[path]; at != 0 && (path == bad.Key || strings.Contains(path, "[")) {
			return fmt.Errorf("%s:%d: %w", name, at, err)
		}
	}
	return fmt.Errorf("%s: %w", name, err) // a default, or nothing where something is required
}

// place is where a key stands.
type place struct {
	key  string // "issuer.provision.role"
	path string // "issuer[0].provision[2].role": the tables of a list are counted from 0
	line int
}

// eachKey calls fn for each key and each table, whose value is the node that
// begins it, up to the first error, or up to what is no TOML: that is for the
// decoder to report.
func eachKey(text string, fn func(at place, value *unstable.Node) error) error {
	var p unstable.Parser
	p.Reset([]byte(text))
	tables := map[string]int{} // path of a list of tables: how many it has
	var table place
	for p.NextExpression() {
		e := p.Expression()
		switch e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = counted(join(&p, place{}, e), e.Kind == unstable.ArrayTable, tables)
			if err := fn(table, e); err != nil {
				return err
			}
		case unstable.KeyValue:
			if err := eachIn(&p, join(&p, table, e), e.Value(), fn); err != nil {
				return err
			}
		}
	}
	return nil
}

// eachIn calls fn with a key and its value, or with an inline table and its keys.
func eachIn(p *unstable.Parser, at place, value *unstable.Node, fn func(place, *unstable.Node) error) error {
	if err := fn(at, value); err != nil || value.Kind != unstable.InlineTable {
		return err
	}
	for it := value.Children(); it.Next(); {
		if err := eachIn(p, join(p, at, it.Node()), it.Node().Value(), fn); err != nil {
			return err
		}
	}
	return nil
}

// join returns the place of an expression of a table.
func join(p *unstable.Parser, table place, e *unstable.Node) place {
	at := place{key: table.key, path: table.path}
	for it := e.Key(); it.Next(); {
		name := string(it.Node().Data)
		if at.key != "" {
			name = "." + name
		}
		at.key, at.path = at.key+name, at.path+name
		at.line = p.Shape(it.Node().Raw).Start.Line
	}
	return at
}

// counted adds to the path of a table which of its list it is, and which one
// each table above it is.
func counted(at place, list bool, tables map[string]int) place {
	path, sep := "", ""
	names := strings.Split(at.key, ".")
	for i, name := range names {
		path += sep + name
		sep = "."
		if list && i == len(names)-1 {
			tables[path]++
		}
		if n := tables[path]; n > 0 {
			path += fmt.Sprintf("[%d]", n-1)
		}
	}
	at.path = path
	return at
}

// known refuses a key that the table has not, and a value of another type.
func known(at place, value *unstable.Node) error {
	i := slices.IndexFunc(Settings, func(s Setting) bool { return s.Key == at.key })
	t := slices.IndexFunc(sections, func(s section) bool { return s.name == at.key })
	isTable := slices.Contains([]unstable.Kind{unstable.Table, unstable.ArrayTable, unstable.InlineTable}, value.Kind)
	switch {
	case i < 0 && t < 0:
		return fmt.Errorf("unknown key %s", at.key)
	case t >= 0 && sections[t].list && value.Kind != unstable.ArrayTable:
		return fmt.Errorf("%s: write it as [[%[1]s]], once for each", at.key)
	case t >= 0 && !isTable, i >= 0 && isTable:
		return fmt.Errorf("%s: a table in the place of a value, or a value in the place of a table", at.key)
	case t >= 0 && !sections[t].list && value.Kind == unstable.ArrayTable:
		return fmt.Errorf("%s: write it as [%[1]s], once", at.key)
	case strings.Count(at.path, "[") != lists(at.key):
		return fmt.Errorf("%s: it belongs below a table [[…]]", at.key)
	case i >= 0 && !slices.Contains(kinds[Settings[i].Type()], value.Kind):
		return fmt.Errorf("%s: the value must be a %s", at.key, Settings[i].Type())
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
