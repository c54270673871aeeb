package daemon

// hinted is an error with a line that says what to do about it.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// Hint returns the line; whoever prints the error may look for this method.
func (h hinted) Hint() string { return h.hint }
