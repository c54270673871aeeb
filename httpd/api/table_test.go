package api

import (
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var scopes = []string{ScopeRead, ScopeSend, ScopeOversight, ScopeOversightRead, ScopeAdmin, ScopeAuditRead,
	ScopeTighten}

func TestEveryEntryIsWhole(t *testing.T) {
	name := regexp.MustCompile(`^[a-z]+(_[a-z]+)*$`)
	for _, op := range Operations.Operations() {
		if !name.MatchString(op.Name) {
			t.Errorf("%s is no name", op.Name)
		}
		if op.Tool != nil && (op.Tool.Title == "" || op.Tool.Description == "" || op.Tool.ReadOnly && op.Tool.Destructive) {
			t.Errorf("%s: %+v", op.Name, op.Tool)
		}
		for _, s := range op.Scopes {
			if !slices.Contains(scopes, s) {
				t.Errorf("%s: there is no scope %s", op.Name, s)
			}
		}
		if op.Tool != nil {
			for _, s := range op.Tool.Scopes {
				if !slices.Contains(op.Scopes, s) {
					t.Errorf("%s: the tool is shown to %s, who cannot call it", op.Name, s)
				}
			}
		}
		for _, m := range op.members {
			checkTags(t, op, m)
		}
	}
}

// checkTags finds the faults of tags that the program would only meet at a
// request.
func checkTags(t *testing.T, op *Operation, m member) {
	t.Helper()
	if m.doc == "" {
		t.Errorf("%s.%s is not described", op.Name, m.name)
	}
	if m.typ.Kind() == reflect.Int && m.place == inQuery && (m.min == "" || m.max == "") {
		t.Errorf("%s.%s has no bounds", op.Name, m.name)
	}
	for _, text := range []string{m.min, m.max, m.def, m.arg.min, m.arg.max, m.arg.def} {
		if _, err := strconv.Atoi(text); err != nil && text != "" {
			t.Errorf("%s.%s: %s is no number", op.Name, m.name, text)
		}
	}
}

func TestAnEntryThatCannotBeIsFoundAtTheStart(t *testing.T) {
	ok := Operation{Name: "x", Method: "POST", Path: "/x/{id}", Summary: "x"}
	for name, add := range map[string]func(*Table){
		"no summary": func(l *Table) { Add[MailRef, Done](l, Operation{Name: "x", Method: "GET", Path: "/x/{id}"}) },
		"a name twice": func(l *Table) {
			Add[MailRef, Done](l, ok)
			Add[MailRef, Done](l, Operation{Name: "x", Method: "GET", Path: "/y/{id}", Summary: "y"})
		},
		"a route twice": func(l *Table) {
			Add[MailRef, Done](l, ok)
			Add[MailRef, Done](l, Operation{Name: "y", Method: "POST", Path: "/x/{id}", Summary: "y"})
		},
		"a path without its member": func(l *Table) { Add[None, Done](l, ok) },
		"a member without its path": func(l *Table) { Add[AllowRef, Done](l, ok) },
		"a body of GET": func(l *Table) {
			Add[NewDomain, Done](l, Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x"})
		},
		"a member without a place": func(l *Table) {
			Add[struct{ X string }, Done](l, Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x"})
		},
		"a list in the query": func(l *Table) {
			Add[struct {
				X []string `query:"x"`
			}, Done](l, Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x"})
		},
		"no media type": func(l *Table) {
			Add[MailRef, Octets](l, Operation{Name: "x", Method: "GET", Path: "/x/{id}", Summary: "x", Kind: Raw})
		},
		"a public operation with scopes": func(l *Table) {
			Add[None, Done](l, Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x", Public: true, Scopes: scopes})
		},
		"nothing to wait for": func(l *Table) {
			Add[None, Done](l, Operation{Name: "x", Method: "GET", Path: "/x", Summary: "x", Waits: "seconds"})
		},
	} {
		func() {
			defer func() {
				if why, _ := recover().(string); !strings.HasPrefix(why, "api: x: ") && !strings.HasPrefix(why, "api: y: ") {
					t.Errorf("%s: %q", name, why)
				}
			}()
			add(&Table{})
		}()
	}
}

// What a client writes, a server reads as the same value.
func TestARequestIsReadAsItWasWritten(t *testing.T) {
	for _, op := range Operations.Operations() {
		r := requests[op.Name]
		req, err := op.newRequest(t.Context(), "http://x", r.in)
		if err != nil {
			t.Fatal(err)
		}
		values := map[string]string{}
		for i, part := range strings.Split(op.Path, "/") {
			if strings.HasPrefix(part, "{") {
				values[strings.Trim(part, "{}")] = strings.Split(req.URL.Path, "/")[i]
			}
		}
		if op.Name == "get_mailbox" || op.Name == "delete_tag" {
			continue // its path has a slash, which only a mux can part from the others
		}
		got, err := op.Decode(Request{Path: func(name string) string { return values[name] }, Query: req.URL.Query(),
			Header: req.Header, Body: []byte(r.body)})
		if err != nil {
			t.Errorf("%s: %v", op.Name, err)
		}
		want, err := op.Complete(r.in)
		if err != nil {
			t.Errorf("%s: %v", op.Name, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s:\n%s", op.Name, diff)
		}
	}
}

func TestTheIdempotencyKeyMayStandInItsHeader(t *testing.T) {
	req, err := SendAny.newRequest(t.Context(), "http://x", SendAnyRequest{KeyHeader: KeyHeader{Key: "k"}})
	if err != nil || req.Header.Get("Idempotency-Key") != "k" {
		t.Fatalf("%v, %v", req.Header, err)
	}
	for _, c := range []struct {
		values []string
		want   string // "" for a refusal
	}{{[]string{"k"}, "k"}, {[]string{`"k"`}, "k"}, {[]string{"k", "k"}, ""}, {[]string{""}, ""}, {[]string{`""`}, ""}} {
		req.Header["Idempotency-Key"] = c.values
		got, err := SendAny.Decode(Request{Header: req.Header, Body: []byte(`{}`)})
		if (err == nil) != (c.want != "") || err == nil && got.(SendAnyRequest).Key != c.want {
			t.Errorf("%q: %+v, %v", c.values, got, err)
		}
	}
}

func TestTimesTravelToTheSecond(t *testing.T) {
	at := time.Date(2026, 1, 2, 3, 4, 5, 678, time.FixedZone("", 3600))
	if got := GetUsage.Target(UsageQuery{From: at}); got != "/v1/usage?from=2026-01-02T02%3A04%3A05Z" {
		t.Error(got)
	}
}
