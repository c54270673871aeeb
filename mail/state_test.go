package mail

import (
	"encoding/json"
	"testing"
)

// Invariant 2: the table is written out a second time, edge by edge, so that a
// change of Edges has to be made twice to go unnoticed.
func TestStateTableHasExactlyTheseEdges(t *testing.T) {
	want := map[[2]State]string{
		{New, Held}:        "a submission is held",
		{New, Ready}:       "the mode or the allowlist lets a submission pass",
		{New, Received}:    "the mode lets incoming mail pass",
		{Held, Ready}:      "an approver approves",
		{Held, Received}:   "an approver approves incoming mail",
		{Held, Rejected}:   "an approver rejects",
		{Held, Cancelled}:  "the submitter withdraws",
		{Held, Expired}:    "nobody decides in time",
		{Ready, Held}:      "the mode was tightened",
		{Ready, Sending}:   "a worker claims it",
		{Ready, Cancelled}: "the submitter withdraws before the claim",
		{Sending, Ready}:   "a temporary failure or a lapsed lease",
		{Sending, Sent}:    "somebody got it",
		{Sending, Failed}:  "nobody got it",
	}
	for _, from := range States {
		for _, to := range States {
			_, ok := want[[2]State{from, to}]
			if from.CanFollow(to) != ok {
				t.Errorf("%s -> %s: possible %v, want %v", from, to, !ok, ok)
			}
		}
	}
}

func TestNoEdgeLeavesAFinalState(t *testing.T) {
	final := map[State]bool{Sent: true, Failed: true, Rejected: true, Cancelled: true, Expired: true, Received: true}
	for _, s := range States {
		if s.Final() != final[s] {
			t.Errorf("%s: final %v", s, s.Final())
		}
	}
}

func TestHeldMailReachesSendingOnlyThroughReady(t *testing.T) {
	for _, s := range States {
		if s.CanFollow(Sending) != (s == Ready) {
			t.Errorf("%s may be claimed: %v", s, s.CanFollow(Sending))
		}
	}
}

func TestEveryStateKeepsItsNameThroughJSON(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range States {
		b, err := json.Marshal(s)
		var back State
		if err != nil || json.Unmarshal(b, &back) != nil || back != s || seen[string(b)] {
			t.Errorf("%v became %s and then %v: %v", s, b, back, err)
		}
		seen[string(b)] = true
	}
	var s State
	for _, bad := range []string{`""`, `"Held"`, `"pending"`, `1`} {
		if json.Unmarshal([]byte(bad), &s) == nil {
			t.Errorf("%s was read as a state", bad)
		}
	}
}
