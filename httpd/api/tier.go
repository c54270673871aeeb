package api

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Tier says in which direction an operation moves oversight, and so what else than its
// scopes lets somebody have it carried out.
type Tier string

const (
	TierNone Tier = ""
	// TierCode loosens or configures: a credential of an agent that may send may ask for it.
	// The operator gets a code by mail, and the operation is done as the operator once the
	// code is presented.
	TierCode Tier = "code"
	// TierTighten tightens and does nothing else: the scope tighten suffices, and no code is
	// ever asked for.
	TierTighten Tier = "tighten"
	// TierBoth has a request that may do either. What of it loosens or configures is as with
	// TierCode, and what tightens as with TierTighten; which it is, the registry judges.
	TierBoth Tier = "both"
)

// ByCode reports whether an agent may have the operation by a code of the operator.
func (t Tier) ByCode() bool { return t == TierCode || t == TierBoth }

// Tightens reports whether a credential that only tightens may ask for the operation.
func (t Tier) Tightens() bool { return t == TierTighten || t == TierBoth }

// tiers is the table of both. By a code is all that loosens or configures and that an agent
// may want: an operation gets that tier by its line here and by an [Approval] in its request
// ([ApprovalHeader] where there is no body). What decides over mail, makes approvers or
// admins, or thaws has no tier: there an operator acts in person. What tightens takes nothing
// away but freedom of agents and credentials: it neither ends mail nor what was kept of it, so
// cancelling, reporting spam and removing a mailbox are none of it.
var tiers = map[string]Tier{
	"update_mailbox": TierBoth,

	"start_freeze":           TierTighten,
	"hold_mail":              TierTighten,
	"remove_allowlist_entry": TierTighten,
	"disable_agent":          TierTighten,
	"unpin_domain":           TierTighten,
	"revoke_api_key":         TierTighten,
	"update_api_key":         TierTighten, // it gives no scope; a name is given by who may make the key
	"revoke_certificate":     TierTighten,
	"end_binding":            TierTighten,
	"end_grant":              TierTighten,

	"add_allowlist_entry": TierCode,
	"create_mailbox":      TierCode,
	"configure_mailbox":   TierCode,
	"create_api_key":      TierCode,
	"create_webhook":      TierCode,
	"update_account":      TierCode,
	"delete_account":      TierCode,
	"remove_suppression":  TierCode,
	"delete_contact":      TierCode,
	"clear_spam_status":   TierCode,
}

// Approval is the code in the body of a request.
type Approval struct {
	ApprovalCode string `json:"approval_code,omitempty" doc:"the code, for the same values again" tool:"approval_code"`
}

// ApprovalHeader is the code of a request that has no body.
type ApprovalHeader struct {
	ApprovalCode string `header:"Approval-Code" json:"-" doc:"the code, for the same values again" tool:"approval_code"`
}

// isApproval reports whether a member is the code.
func (m member) isApproval() bool { return m.arg.name == "approval_code" && m.place != inTool }

// StatusPending is the status of a request that waits for a code.
const StatusPending = "pending_approval"

// PendingApproval is the answer to a request that needs a code: nothing has been done. A
// [Caller] returns it as an error.
type PendingApproval struct {
	Status    string    `json:"status" doc:"'pending_approval': nothing has been done yet"`
	Message   string    `json:"message" doc:"what to do next"`
	ExpiresAt time.Time `json:"expires_at" doc:"until then the code is good"`
}

func (p *PendingApproval) Error() string { return p.Message }

// checkTier finds a line of the table and a request that do not fit.
func (o *Operation) checkTier() error {
	has := slices.ContainsFunc(o.members, member.isApproval)
	switch {
	case has != o.Tier.ByCode():
		return fmt.Errorf("a request has an approval_code if, and only if, the operation has the tier")
	case o.Tier.ByCode() && (o.Audit == "" || o.Kind != JSON || o.Status == 202 || o.Submits || o.Waits != ""):
		return fmt.Errorf("an operation with the tier is audited, answers JSON and never 202, and hands over no mail")
	case o.Tier.Tightens() && (o.Audit == "" || o.Public || o.Submits):
		return fmt.Errorf("what tightens is audited, asks for a credential, and hands over no mail")
	}
	return nil
}

// Reach are the scopes of which a caller needs one: those of the operation, and the one
// that may have it by a code. None: any credential may call it.
func (o *Operation) Reach() []string {
	if o.Tier.ByCode() && len(o.Scopes) > 0 && !slices.Contains(o.Scopes, ScopeSend) {
		return append(slices.Clone(o.Scopes), ScopeSend)
	}
	return o.Scopes
}

// Code returns the code in a request, "" for none.
func (o *Operation) Code(in any) string {
	for _, m := range o.members {
		if m.isApproval() {
			return reflect.ValueOf(in).FieldByIndex(m.index).String()
		}
	}
	return ""
}

// MailboxOf returns the mailbox that the path of a request names; ok is false for an
// operation that is about none in particular.
func (o *Operation) MailboxOf(in any) (name string, ok bool) {
	for _, m := range o.members {
		if m.place == inPath && m.arg.name == "mailbox_id" {
			return reflect.ValueOf(in).FieldByIndex(m.index).String(), true
		}
	}
	return "", false
}

// Frozen is a request without its code in one spelling: an object of its members that
// are not zero, by place and name, in the order of these. Equal requests give equal octets.
func (o *Operation) Frozen(in any) ([]byte, error) {
	all := map[string]any{}
	for _, m := range o.members {
		if v := reflect.ValueOf(in).FieldByIndex(m.index); !m.isApproval() && !v.IsZero() {
			all[m.key()] = v.Interface()
		}
	}
	return json.Marshal(all)
}

// Thawed is the request that Frozen wrote. What it does not know is an error: the
// request was written by another version.
func (o *Operation) Thawed(frozen []byte) (any, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(frozen, &all); err != nil {
		return nil, err
	}
	p := reflect.New(o.in)
	for _, m := range o.members {
		text, ok := all[m.key()]
		if !ok {
			continue
		}
		if err := json.Unmarshal(text, p.Elem().FieldByIndex(m.index).Addr().Interface()); err != nil {
			return nil, err
		}
		delete(all, m.key())
	}
	if len(all) > 0 {
		return nil, fmt.Errorf("api: %s has members that are not known", o.Name)
	}
	return p.Elem().Interface(), nil
}

func (m member) key() string { return strings.TrimSpace(string(m.place) + " " + m.name + m.toolName()) }

// toolName is the name of a member that has no other.
func (m member) toolName() string {
	if m.place == inTool {
		return m.arg.name
	}
	return ""
}

// Parameter is one value of a request, for a person.
type Parameter struct{ Name, Value string }

// Parameters are the values of a request, its code excepted. A value is a text, or JSON.
func (o *Operation) Parameters(in any) (list []Parameter) {
	for _, m := range o.members {
		v := reflect.ValueOf(in).FieldByIndex(m.index)
		if m.isApproval() || v.IsZero() {
			continue
		}
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		text := v.String()
		if v.Kind() != reflect.String {
			b, err := json.Marshal(v.Interface())
			if err != nil { // our types always marshal
				b = []byte(err.Error())
			}
			text = string(b)
		}
		name := m.name + m.toolName()
		if m.arg.name != "" {
			name = m.arg.name
		}
		list = append(list, Parameter{name, text})
	}
	return list
}
