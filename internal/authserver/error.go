package authserver

import (
	"errors"
	"fmt"
)

// Error is a refusal as OAuth words it (RFC 6749, sections 4.1.2.1 and 5.2).
type Error struct {
	Code        string // one of those below
	Description string // for the developer of the client; nothing secret
}

// The codes of refusals.
const (
	InvalidRequest          = "invalid_request"
	InvalidClient           = "invalid_client"
	InvalidGrant            = "invalid_grant"
	UnauthorizedClient      = "unauthorized_client"
	UnsupportedGrantType    = "unsupported_grant_type"
	UnsupportedResponseType = "unsupported_response_type"
	InvalidScope            = "invalid_scope"
	InvalidTarget           = "invalid_target" // RFC 8707
	AccessDenied            = "access_denied"
	LoginRequired           = "login_required" // OpenID Connect Core, for prompt=none
	InvalidRedirect         = "invalid_redirect_uri"
	InvalidMetadata         = "invalid_client_metadata" // RFC 7591
	TemporarilyUnavailable  = "temporarily_unavailable"
	ServerError             = "server_error"
)

// Error implements error.
func (e *Error) Error() string { return e.Code + ": " + e.Description }

func refuse(code, format string, args ...any) *Error {
	return &Error{code, fmt.Sprintf(format, args...)}
}

// AsError returns the refusal in err, or nil for a fault of the server.
func AsError(err error) *Error {
	var e *Error
	errors.As(err, &e)
	return e
}
