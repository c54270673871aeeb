package config

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Size is a number of octets, written 512, 64KB, 25MB or 1GB (powers of 1024).
type Size int64

var units = []struct {
	suffix string
	shift  uint
}{{"KB", 10}, {"MB", 20}, {"GB", 30}, {"", 0}}

// UnmarshalText reads a size.
func (s *Size) UnmarshalText(b []byte) error {
	text := strings.ToUpper(strings.TrimSpace(string(b)))
	for _, u := range units {
		digits, ok := strings.CutSuffix(text, u.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSpace(digits), 10, 64)
		if err != nil || n < 0 || n > 1<<62>>u.shift {
			break
		}
		*s = Size(n << u.shift)
		return nil
	}
	return fmt.Errorf("%q is not a size such as 25MB", b)
}

// Duration is a time.Duration written as 90s, 15m, 4h or 5d.
type Duration time.Duration

// Period is a Duration that may be empty, which means never.
type Period time.Duration

// UnmarshalText reads a period.
func (p *Period) UnmarshalText(b []byte) error {
	if len(b) == 0 {
		*p = 0
		return nil
	}
	if err := (*Duration)(p).UnmarshalText(b); err != nil {
		return err
	}
	if *p <= 0 {
		return fmt.Errorf("%q must be positive; empty means never", b)
	}
	return nil
}

// UnmarshalText reads a duration.
func (d *Duration) UnmarshalText(b []byte) error {
	text := string(b)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.Atoi(days); err == nil {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	v, err := time.ParseDuration(text)
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 15m or 5d", b)
	}
	*d = Duration(v)
	return nil
}
