package api

import (
	"context"
	"regexp"
	"strings"
)

// traceForm is a traceparent of version 00 (W3C Trace Context, section 3.2.2).
var traceForm = regexp.MustCompile(`^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)

// Traceparent returns a value of the header field traceparent, or "" where it is none: what
// is malformed, or names no trace or no span, counts as absent (section 3.2.2.3).
func Traceparent(value string) string {
	if !traceForm.MatchString(value) || strings.HasPrefix(value[3:], strings.Repeat("0", 32)) ||
		value[36:52] == strings.Repeat("0", 16) {
		return ""
	}
	return value
}

type traceKey struct{}

// WithTrace has the calls of a context name a trace; a value that is no traceparent
// changes nothing.
func WithTrace(ctx context.Context, value string) context.Context {
	if value = Traceparent(value); value == "" {
		return ctx
	}
	return context.WithValue(ctx, traceKey{}, value)
}

// TraceOf returns the traceparent of a context, "" for none.
func TraceOf(ctx context.Context) string {
	value, _ := ctx.Value(traceKey{}).(string)
	return value
}
