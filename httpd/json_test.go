package httpd

import (
	"encoding/json"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/multimail/multimail/httpd/api"
)

var strictJSON = []struct {
	name, body, want string // want is the error, "" for none
}{
	{"a draft", `{"to":["a@b.c"],"subject":"s","markdown":"m"}`, ""},
	{"null counts as left out", `{"to":["a@b.c"],"cc":null,"send_at":null}`, ""},
	{"blanks around", " \r\n\t{} \n", ""},
	{"an attachment", `{"attachments":[{"name":"a","content_base64":"","content_type":"b"}]}`, ""},

	{"nothing", ``, "the body ends before its JSON value does"},
	{"half", `{"to":["a@b.c"`, "the body ends before its JSON value does"},
	{"an array", `[]`, "the body must be an object"},
	{"a string", `"x"`, "the body must be an object"},
	{"null", `null`, "the body must be an object"},
	{"two values", `{} {}`, "the body goes on after its JSON value"},
	{"rubbish behind", `{}x`, "the body goes on after its JSON value"},
	{"not JSON", `{to:[]}`, "the body is not JSON, at octet 3"},
	{"not UTF-8", "{\"subject\":\"\xff\"}", "the body is not UTF-8"},
	{"a byte order mark", "\ufeff{}", "the body is not JSON, at octet 1"},

	{"an unknown name", `{"too":[]}`, `the body has a member that is not known here: "too"`},
	{"a name in another case", `{"To":["a@b.c"]}`, `the body has a member that is not known here: "To"`},
	{"a name with a long s", `{"ſubject":"x"}`, `the body has a member that is not known here: "ſubject"`},
	{"a name with a Kelvin sign", `{"mar\u212adown":"x"}`,
		`the body has a member that is not known here: "mar` + "\u212a" + `down"`},
	{"a name twice", `{"to":["a@b.c"],"to":["e@b.c"]}`, `the body has the member "to" twice`},
	{"a name twice, once in escapes", `{"to":["a@b.c"],"\u0074o":["e@b.c"]}`, `the body has the member "to" twice`},
	{"a name twice, once null", `{"bcc":null,"bcc":["e@b.c"]}`, `the body has the member "bcc" twice`},
	{"a name twice, further in", `{"attachments":[{"name":"a","name":"b"}]}`,
		`attachments[0] has the member "name" twice`},
	{"an unknown name further in", `{"attachments":[{"Name":"a"}]}`,
		`attachments[0] has a member that is not known here: "Name"`},

	{"a string for an array", `{"to":"a@b.c,e@b.c"}`, "to must be an array"},
	{"an array in an array", `{"to":[["a@b.c"]]}`, "to[0] must be a string"},
	{"an object in an array", `{"to":[{"email":"a@b.c"}]}`, "to[0] must be a string"},
	{"null in an array", `{"to":[null]}`, "to[0] must be a string"},
	{"an array for a string", `{"subject":["a"]}`, "subject must be a string"},
	{"a number for a string", `{"subject":1}`, "subject must be a string"},
	{"true for a string", `{"subject":true}`, "subject must be a string"},
	{"an object for a string", `{"markdown":{}}`, "markdown must be a string"},
	{"a string for an object", `{"attachments":["a"]}`, "attachments[0] must be an object"},
	{"nesting without end", `{"to":` + strings.Repeat(`[`, 100_000), "to[0] must be a string"},
}

func TestStrictJSON(t *testing.T) {
	for _, c := range strictJSON {
		t.Run(c.name, func(t *testing.T) {
			var d api.Draft
			err := faultOf(api.Parse([]byte(c.body), &d))
			got := ""
			if err != nil {
				status, said := translate(err)
				if got = said.Message; status != http.StatusBadRequest {
					t.Errorf("status %d", status)
				}
			}
			if got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestStrictJSONOfOptionalValues(t *testing.T) {
	for body, want := range map[string]string{
		`{"hold_seconds":60,"display_name":"x"}`: "",
		`{"hold_seconds":null}`:                  "",
		`{"hold_seconds":"60"}`:                  "hold_seconds must be a number",
		`{"hold_seconds":1.5}`:                   "hold_seconds does not fit",
		`{"hold_seconds":1e99}`:                  "hold_seconds does not fit",
		`{"display_name":1}`:                     "display_name must be a string",
	} {
		var p api.MailboxPatch
		got := ""
		if err := faultOf(api.Parse([]byte(body), &p)); err != nil {
			_, said := translate(err)
			got = said.Message
		}
		if got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
}

func TestBodiesAreLimitedWhileTheyAreRead(t *testing.T) {
	h := newFixture(t)
	long := `{"name":"` + strings.Repeat("x", smallBody) + `"}`
	if r := h.do("admin", "POST", "/v1/domains", long); r.status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s", r.status, r.body)
	}
	r := h.request("sender", "POST", "/v1/mailboxes/"+bot+"/send", "")
	r.Header.Set("Content-Type", "application/json")
	endless := &zeros{}
	r.Body = endless
	if got := h.serve("sender", r); got.status != http.StatusRequestEntityTooLarge {
		t.Errorf("got %d %s", got.status, got.body)
	}
	if int64(endless.read) > h.s.draftBody()+(1<<20) {
		t.Errorf("%d octets were read", endless.read)
	}
}

// zeros is a body without end.
type zeros struct{ read int }

func (z *zeros) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = ' '
	}
	z.read += len(p)
	return len(p), nil
}
func (z *zeros) Close() error { return nil }

func TestABodyMustSayThatItIsJSON(t *testing.T) {
	h := newFixture(t)
	for typ, want := range map[string]int{
		"application/json":                     201,
		"Application/JSON; charset=UTF-8":      201,
		"application/json; charset=iso-8859-1": 415,
		"text/plain":                           415,
		"application/x-www-form-urlencoded":    415,
		"":                                     415,
		"application/json, text/plain":         415,
	} {
		r := h.request("admin", "POST", "/v1/domains", `{"name":"d`+strings.Repeat("x", len(typ))+`.example"}`)
		r.Header.Set("Content-Type", typ)
		if got := h.serve("admin", r); got.status != want {
			t.Errorf("%q: got %d %s, want %d", typ, got.status, got.body, want)
		}
	}
}

// What the strict reader takes, every other reader of JSON takes for the same.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		draft, `{}`, `{"to":["a@b.c"],"To":["e@b.c"]}`, `{"to":["a@b.c"],"\u0074o":[]}`, `{"subject":"\ud800"}`,
		`{"attachments":[{"name":"a","content_base64":"AA==","content_type":"b/c"},null]}`, `{"to":null}`, "{\"\u017fu" +
			"bject\":\"x\"}",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var d api.Draft
		if err := faultOf(api.Parse(body, &d)); err != nil {
			var r *refusal
			if !errors.As(err, &r) {
				t.Fatalf("an error that is no answer: %v", err)
			}
			return
		}
		var loose map[string]any
		if err := json.Unmarshal(body, &loose); err != nil {
			t.Fatalf("no JSON: %v", err)
		}
		for name, v := range loose {
			if v == nil {
				delete(loose, name)
			}
		}
		for _, a := range slice(loose["attachments"]) {
			for name, v := range a.(map[string]any) {
				if v == nil {
					delete(a.(map[string]any), name)
				}
			}
		}
		b, err := json.Marshal(loose)
		if err != nil {
			t.Fatal(err)
		}
		var again api.Draft
		if err := json.Unmarshal(b, &again); err != nil || !reflect.DeepEqual(d, again) {
			t.Fatalf("%v: %+v and %+v", err, d, again)
		}
	})
}

func slice(v any) []any { s, _ := v.([]any); return s }
