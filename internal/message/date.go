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

// looseDate is ParseDate for what else programs write: other blanks, years of two
// digits, and the zones of RFC 822 (RFC 5322, section 4.3).
func looseDate(v string) time.Time {
	if len(v) > 200 {
		return time.Time{}
	}
	words := strings.Fields(strings.ReplaceAll(withoutComments(v), ",", ", "))
	if n := len(words); n > 0 {
		if zone, ok := obsoleteZones[strings.ToUpper(words[n-1])]; ok {
			words[n-1] = zone
		}
	}
	if len(words) > 0 && !strings.HasSuffix(words[0], ",") && words[0][0] > '9' {
		words[0] += "," // the comma after the day is missing
	}
	v = strings.Join(words, " ")
	if _, date, ok := strings.Cut(v, ", "); ok {
		v = date // a wrong day does not make a wrong date
	}
	if t := ParseDate(v); !t.IsZero() {
		return t
	}
	for _, layout := range []string{"2 Jan 06 15:04:05 -0700", "2 Jan 06 15:04 -0700", "2 Jan 2006 15:04:05",
		"Jan 2 15:04:05 2006", "2 January 2006 15:04:05 -0700", time.RFC3339} {
		if t, err := time.Parse(layout, v); err == nil {
			return t
		}
	}
	return time.Time{}
}

// obsoleteZones are the names of RFC 822 as offsets.
var obsoleteZones = map[string]string{
	"Z": "+0000", "EST": "-0500", "EDT": "-0400", "CST": "-0600", "CDT": "-0500", "MST": "-0700", "MDT": "-0600",
	"PST": "-0800", "PDT": "-0700",
}

// dateLayout is the date-time of RFC 5322, section 3.3.
const dateLayout = "Mon, 02 Jan 2006 15:04:05 -0700"
