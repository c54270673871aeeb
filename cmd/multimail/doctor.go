package main

type doctorCmd struct {
	Token doctorTokenCmd `cmd:"" help:"Judge a token of an issuer as the daemon would; the token is not printed."`
}
