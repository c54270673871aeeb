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

		{New, Quarantined}:       "a filter takes incoming mail for spam",
		{Received, Quarantined}:  "its reader takes it for spam",
		{Received, Received}:     "an approver calls it clean",
		{Quarantined, Received}:  "an approver releases it",
		{Quarantined, Rejected}:  "an approver rejects it",
		{Quarantined, Cancelled}: "an admin withdraws it",
		{Quarantined, Expired}:   "nobody decides in time",
		{Ready, Ready}:           "a recipient that had it bounced, another is pending",
		{Held, Held}:             "a recipient that had it bounced, the others wait for a decision",
		{Rejected, Rejected}:     "a recipient that had it bounced",
		{Cancelled, Cancelled}:   "a recipient that had it bounced",
		{Expired, Expired}:       "a recipient that had it bounced",
		{Sent, Sent}:             "a recipient bounced, another has it",
		{Sent, Failed}:           "the last recipient that had it bounced",
		{Sent, Erased}:           "its time is over", {Failed, Erased}: "its time is over",
		{Rejected, Erased}: "its time is over", {Cancelled, Erased}: "its time is over",
		{Expired, Erased}: "its time is over", {Received, Erased}: "its time is over",
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

// From a final state no edge leads to where something is waited for, but for what its
// reader reports.
func TestInAFinalStateNothingIsWaitedFor(t *testing.T) {
	final := map[State]bool{Sent: true, Failed: true, Rejected: true, Cancelled: true, Expired: true,
		Received: true, Erased: true}
	for _, s := range States {
		for _, to := range Edges[s] {
			if s.Final() && !to.Final() && to != Quarantined {
				t.Errorf("%s -> %s", s, to)
			}
		}
	}
	if len(Edges[Erased]) > 0 {
		t.Error("what is erased comes back")
	}
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
