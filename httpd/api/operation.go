package api

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// The scopes of credentials. None implies another, and no credential holds
// the sending one with the deciding one or with that of the audit log.
const (
	ScopeRead          = "read"
	ScopeSend          = "send"
	ScopeOversight     = "oversight"
	ScopeOversightRead = "oversight_read"
	ScopeAdmin         = "admin"
	ScopeAuditRead     = "audit_read"
	ScopeTighten       = "tighten" // of the operations whose tier says so
)

// Kind is the form of an answer.
type Kind string

const (
	JSON   Kind = ""       // a value of the response type
	Raw    Kind = "raw"    // a document as it is
	Stream Kind = "stream" // octets, as many as there are
)

// Operation is one entry of the table, without its Go types.
type Operation struct {
	Name         string // "send_email": operationId of Swagger, and name of the tool
	Method, Path string
	Summary      string

	Public bool     // no credential is asked for
	Scopes []string // one of them suffices; none: any credential, the registry judges the rest
	Tier   Tier     // by the table in tier.go
	Audit  string   // what the audit log calls it when it is refused; "": nothing is logged

	Kind    Kind
	Media   string // media type of a raw or a stream answer
	Status  int    // of a success; 0: 200
	Also    []int  // other statuses of an answer that is no error; see [Outcome]
	Mail    string // member of the body, in base64, that may be sent by itself as message/rfc822; "": none
	Submits bool   // hands a mail over: its body may have the size of one, and its refusal is an entry of its own
	Waits   string // query member that makes the request wait; such requests are limited
	Heavy   bool   // takes a turn among the requests that read or write whole mails
	Variant string // query member that chooses this entry among those of the same method and path

	Tool *Tool // nil: no tool of MCP

	in, out   reflect.Type
	members   []member     // of in
	arguments reflect.Type // of the tool
	bounds    []bound      // of arguments to in
}

// Tool is how an operation is offered to MCP clients. Its arguments are the
// members of the request type.
type Tool struct {
	Title, Description                string
	ReadOnly, Destructive, Idempotent bool
	Scopes                            []string          // nil: those of the operation
	Arguments                         map[string]string // what they are, by name, where the tags do not say it
	Answer                            any               // a value of the type of its data; nil: the response type
}

// Outcome is an answer that chooses its own status; 0 means the usual one.
type Outcome interface{ HTTPStatus() int }

// Op is an entry with its Go types. In has a member for everything that a
// request holds, by struct tags; Out is the answer.
type Op[In, Out any] struct{ *Operation }

// Table is a list of operations.
type Table struct{ list []*Operation }

// Add puts an operation into a table. An entry that cannot be is a bug, found
// when the program starts.
func Add[In, Out any](t *Table, o Operation) Op[In, Out] {
	o.in, o.out = reflect.TypeFor[In](), reflect.TypeFor[Out]()
	if o.Status == 0 {
		o.Status = 200
	}
	if o.Tier = tiers[o.Name]; o.Tier.Tightens() && len(o.Scopes) > 0 {
		o.Scopes = append(slices.Clone(o.Scopes), ScopeTighten)
	}
	if err := t.check(&o); err != nil {
		panic(fmt.Sprintf("api: %s: %v", o.Name, err))
	}
	if o.Tool != nil {
		o.bindArguments()
	}
	t.list = append(t.list, &o)
	return Op[In, Out]{&o}
}

func (t *Table) check(o *Operation) error {
	for _, other := range t.list {
		if other.Name == o.Name {
			return fmt.Errorf("the name is taken")
		}
		if other.Route() == o.Route() && other.Variant == o.Variant {
			return fmt.Errorf("%s has the same route", other.Name)
		}
	}
	switch {
	case o.Name == "" || o.Method == "" || o.Path == "" || o.Summary == "":
		return fmt.Errorf("name, method, path and summary are required")
	case o.Public && (len(o.Scopes) > 0 || o.Tool != nil || o.Audit != ""):
		return fmt.Errorf("a public operation has no scopes, tool or audit entry")
	case (o.Kind == JSON) != (o.Media == ""):
		return fmt.Errorf("an answer that is not JSON has a media type, and no other")
	case o.Tool != nil && o.Kind != JSON:
		return fmt.Errorf("a tool answers JSON")
	}
	if o.in.Kind() != reflect.Struct {
		return fmt.Errorf("the request type is no struct")
	}
	o.members = members(o.in)
	if err := o.checkTier(); err != nil {
		return err
	}
	return o.checkMembers()
}

// Operations returns the entries in their order.
func (t *Table) Operations() []*Operation { return slices.Clone(t.list) }

// Clone returns a table to which entries can be added without changing t.
func (t *Table) Clone() *Table { return &Table{list: slices.Clone(t.list)} }

// Route is the method and the path of an operation.
func (o *Operation) Route() string { return o.Method + " " + o.Path }

// String implements fmt.Stringer.
func (o *Operation) String() string {
	if o.Variant != "" {
		return o.Route() + "?" + o.Variant + "=1"
	}
	return o.Route()
}

// Allows reports whether one of the scopes of a credential suffices.
func (o *Operation) Allows(has func(scope string) bool) bool {
	return len(o.Scopes) == 0 || slices.ContainsFunc(o.Scopes, has)
}

// ToolAllows reports whether a credential is offered the operation as a tool.
func (o *Operation) ToolAllows(has func(scope string) bool) bool {
	if o.Tool == nil {
		return false
	}
	scopes := o.ToolScopes()
	return len(scopes) == 0 || slices.ContainsFunc(scopes, has)
}

// ToolScopes are the scopes of which the tool of an operation needs one; none: any
// credential may call it.
func (o *Operation) ToolScopes() []string {
	if o.Tool.Scopes != nil {
		return o.Tool.Scopes
	}
	return o.Reach()
}

// pathNames returns the names in braces of the path.
func (o *Operation) pathNames() (names []string) {
	for _, segment := range strings.Split(o.Path, "/") {
		if name, ok := strings.CutPrefix(segment, "{"); ok {
			names = append(names, strings.TrimSuffix(name, "}"))
		}
	}
	return names
}
