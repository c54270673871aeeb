package mail

// Phase is the moment of a delivery at which policy is asked once more (invariant 11).
type Phase int

// The two moments.
const (
	BeforeData Phase = iota // every RCPT was answered, DATA was not sent
	BeforeDot               // all content was written, the final dot was not
)
