package message

import (
	"strings"
	"time"
)

// ParseDate reads a Date field in the forms of RFC 5322, section 3.3, that mail
// programs write: with or without the day, the seconds and the zone's name. It
// returns the zero time for any other.
func ParseDate(v string) time.Time {
	if i := strings.LastIndex(v, " ("); i > 0 && strings.HasSuffix(v, ")") && len(v)-i <= 40 {
		v = v[:i]
	}
	for _, day := range []string{"Mon, ", ""} {
		for _, clock := range []string{"15:04:05", "15:04"} {
			for _, zone := range []string{"-0700", "MST"} {
				t, err := time.Parse(day+"2 Jan 2006 "+clock+" "+zone, v)
				if err == nil && (zone != "MST" || oneOf("GMT", "UT", "UTC")(t.Location().String())) {
					return t
				}
			}
		}
	}
	return time.Time{}
}

// dateLayout is the date-time of RFC 5322, section 3.3.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"
