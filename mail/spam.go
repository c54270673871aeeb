package mail

// Verdict is what a filter makes of a mail.
type Verdict string

// The verdicts. Quarantined mail waits for an approver.
const (
	SpamClean       Verdict = "clean"
	SpamFlagged     Verdict = "flagged"
	SpamQuarantined Verdict = "quarantined"
)

// Spam is the judgement over a mail, in either direction.
type Spam struct {
	Verdict Verdict  `json:"verdict"`
	Score   float64  `json:"score"`
	Reasons []string `json:"reasons,omitempty"` // short, one line each
	Filter  string   `json:"filter,omitempty"`  // which program judged; empty for the signs built in
	Label   string   `json:"label,omitempty"`   // a reader's word: "spam" or "not_spam"
}
