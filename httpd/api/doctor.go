package api

// The statuses of a check.
const (
	CheckOK   = "ok"
	CheckWarn = "warn"
	CheckFail = "FAIL"
)

// Check is one thing that was looked at.
type Check struct {
	Name    string `json:"name" doc:"what was looked at"`
	Subject string `json:"subject,omitempty" doc:"of which domain, host or setting"`
	Status  string `json:"status" doc:"'ok', 'warn' or 'FAIL'"`
	Detail  string `json:"detail"`
	Do      string `json:"do,omitempty" doc:"what to do"`
}

// Checks is what an examination of the daemon found.
type Checks struct {
	Checks []Check `json:"checks"`
}
