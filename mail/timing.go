package mail

import "fmt"

// Timing says when an approver is asked about scheduled mail.
type Timing uint8

// The two times.
const (
	GateFirst     Timing = iota // at once; what is approved waits for its time
	ScheduleFirst               // when its time has come
)

var timingNames = [...]string{"gate_first", "schedule_first"}

func (t Timing) String() string {
	if int(t) < len(timingNames) {
		return timingNames[t]
	}
	return fmt.Sprintf("timing(%d)", uint8(t))
}

// ParseTiming reads gate_first or schedule_first.
func ParseTiming(s string) (Timing, error) {
	for i, n := range timingNames {
		if n == s {
			return Timing(i), nil
		}
	}
	return 0, ErrInvalid.Errorf("gate_timing must be gate_first or schedule_first")
}

// MarshalText writes the name of the time.
func (t Timing) MarshalText() ([]byte, error) {
	if int(t) >= len(timingNames) {
		return nil, fmt.Errorf("mail: %v has no name", t)
	}
	return []byte(t.String()), nil
}

// UnmarshalText reads the name of a time.
func (t *Timing) UnmarshalText(b []byte) error {
	v, err := ParseTiming(string(b))
	if err == nil {
		*t = v
	}
	return err
}
