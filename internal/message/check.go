package message

// CheckForm applies the rules of Read on lines and fields to a message that
// has been on its way, and changes nothing: only CRLF ends a line, no NUL, no
// line over MaxLine, no malformed field, no second field of those that may stand
// once, and no MIME boundary with a blank. What passes is split into the
// same fields and parts by every reader.
func CheckForm(raw []byte) error {
	if err := checkLines(raw); err != nil {
		return err
	}
	fields, _, err := readHeader(raw)
	if err != nil {
		return err
	}
	if err := onlyOnce(fields); err != nil {
		return err
	}
	root, over := parseMIME(raw, newBudget(len(raw)))
	if over != nil {
		return over
	}
	return root.checkBoundaries()
}
