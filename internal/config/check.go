package config

import (
	"net"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// KeyError is a value that cannot be meant. In the key, the tables of a list are
// counted from 0: "issuer[1].name".
type KeyError struct{ Key, Problem string }

func (e *KeyError) Error() string { return index.ReplaceAllString(e.Key, "") + ": " + e.Problem }

var index = regexp.MustCompile(`\[[0-9]+\]`)

// nodeName is what the audit log takes as the name of a chain.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Check refuses values that cannot be meant.
func (c Config) Check() error {
	for _, check := range []func(Config) *KeyError{
		checkPositive, checkNames, checkListeners, checkRelay, checkDNS, checkIssuers, checkDKIM, checkKeys,
		checkFilter, checkInbound, checkOAuth,
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

// checkPositive refuses every number, size and duration that is not positive.
func checkPositive(c Config) *KeyError {
	for _, s := range Settings {
		for _, v := range valuesOf(c, s.Key) {
			if v.Type() == reflect.TypeFor[Period]() && v.Int() == 0 {
				continue // empty: never
			}
			if k := v.Kind(); (k == reflect.Int || k == reflect.Int64) && v.Int() <= 0 {
				return &KeyError{v.path, "must be positive; zero never means no limit"}
			}
		}
	}
	if c.Memory.Messages < c.SMTP.MaxSize*4/3+2<<20 { // as a body of the API, in base64
		return &KeyError{"memory.messages", "smaller than one message of smtp.max_size in base64"}
	}
	return nil
}

func checkNames(c Config) *KeyError {
	switch {
	case c.Data == "":
		return &KeyError{"data", "a directory is required"}
	case c.Node != "" && !nodeName.MatchString(c.Node):
		return &KeyError{"node", strconv.Quote(c.Node) + " is not a name of letters, digits, '.', '_' and '-'"}
	}
	return nil
}

func checkListeners(c Config) *KeyError {
	smtp, missing := c.SMTP, "smtp.tls_cert_file"
	if smtp.CertFile != "" {
		missing = "smtp.tls_key_file"
	}
	switch {
	case (smtp.Submission != "" || smtp.Submissions != "") && (smtp.CertFile == "" || smtp.KeyFile == ""):
		return &KeyError{missing, "required, passwords travel only under TLS"}
	case c.HTTP.Listen != "" && c.HTTP.CertFile == "" && !Loopback(c.HTTP.Listen):
		return &KeyError{"http.tls_cert_file", "required unless http.listen is a loopback address"}
	}
	return nil
}

func checkRelay(c Config) *KeyError {
	switch r := c.Relay; {
	case !slices.Contains([]string{"", "none", "opportunistic", "required"}, r.TLS):
		return &KeyError{"relay.tls", strconv.Quote(r.TLS) + " is not none, opportunistic or required"}
	case !slices.Contains([]string{"auto", "plain", "login", "xoauth2"}, r.Auth):
		return &KeyError{"relay.auth", strconv.Quote(r.Auth) + " is not auto, plain, login or xoauth2"}
	case r.Username != "" && r.PasswordFile == "" && r.OAuthTokenURL == "":
		return &KeyError{"relay.password_file", "required with relay.username"}
	case len(r.Rewrites) > 0 && r.Smarthost == "":
		return &KeyError{"relay.rewrites", "only a smarthost replaces fields of every mail; name it in relay.smarthost"}
	}
	for i, name := range c.Relay.Rewrites {
		if name != "message-id" && name != "date" || slices.Contains(c.Relay.Rewrites[:i], name) {
			return &KeyError{"relay.rewrites", strconv.Quote(name) + " is not message-id or date, each once"}
		}
	}
	return nil
}

func checkDNS(c Config) *KeyError {
	for _, s := range c.DNS.Resolver {
		if host, port, err := net.SplitHostPort(s); err != nil || host == "" || port == "" {
			return &KeyError{"dns.resolver", strconv.Quote(s) + " is not a host:port, such as 127.0.0.1:53"}
		}
	}
	for _, s := range c.DNS.SPF {
		if !spfTerm.MatchString(s) {
			return &KeyError{"dns.spf", strconv.Quote(s) + " lets no mail pass; name mechanisms such as mx or include:a.test"}
		}
	}
	for _, s := range c.DNS.MX {
		if !hostName.MatchString(s) {
			return &KeyError{"dns.mx", strconv.Quote(s) + " is not the name of a host"}
		}
	}
	return checkPublished(c.DNS)
}

// What stands in the records of others, who read it by these forms.
var (
	spfTerm  = regexp.MustCompile(`^(mx|a|(include|a|mx|ip4|ip6|exists):[A-Za-z0-9._:/-]{1,200})$`)
	hostName = regexp.MustCompile(`^([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{2,63}$`)
	label    = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?$`)
	address  = regexp.MustCompile(`^[A-Za-z0-9._+-]{1,64}@[A-Za-z0-9.-]{1,255}$`)
)

func checkPublished(c DNS) *KeyError {
	const year = 366 * 24 * time.Hour
	switch {
	case c.Bounce != "" && !label.MatchString(c.Bounce):
		return &KeyError{"dns.bounce", strconv.Quote(c.Bounce) + " is not one label of a domain, such as bounce"}
	case c.Reports != "" && !address.MatchString(c.Reports):
		return &KeyError{"dns.reports", strconv.Quote(c.Reports) + " is not an address of letters, digits and ._+-"}
	case !slices.Contains([]string{"testing", "enforce", "none"}, c.MTASTSMode):
		return &KeyError{"dns.mta_sts_mode", strconv.Quote(c.MTASTSMode) + " is not testing, enforce or none"}
	case time.Duration(c.MTASTSMaxAge) > year || time.Duration(c.MTASTSMaxAge) < 24*time.Hour:
		return &KeyError{"dns.mta_sts_max_age", "must be between a day and a year"}
	}
	return nil
}

// minRotate is the shortest time between two changes of a key, each of which
// takes two days.
const minRotate = Period(7 * 24 * time.Hour)

func checkKeys(c Config) *KeyError {
	k := c.Keys
	switch {
	case k.RotateEvery != 0 && k.RotateEvery < minRotate:
		return &KeyError{"keys.rotate_every", "must be 7d or more"}
	case k.PKCS11Module != "" && k.PKCS11Token == "":
		return &KeyError{"keys.pkcs11_token", "required with keys.pkcs11_module"}
	case k.PKCS11Module != "" && k.PKCS11PINFile == "":
		return &KeyError{"keys.pkcs11_pin_file", "required with keys.pkcs11_module"}
	case k.PKCS11Module == "" && k.PKCS11Token+k.PKCS11PINFile != "":
		return &KeyError{"keys.pkcs11_module", "required with keys.pkcs11_token and keys.pkcs11_pin_file"}
	case k.PKCS11Module != "" && slices.Contains(c.DKIM.Algorithms, "ed25519"):
		return &KeyError{"dkim.algorithms", "ed25519 keys cannot be made in a PKCS #11 token here; leave it out"}
	}
	return nil
}

func checkDKIM(c Config) *KeyError {
	for i, alg := range c.DKIM.Algorithms {
		if alg != "rsa" && alg != "ed25519" || slices.Contains(c.DKIM.Algorithms[:i], alg) {
			return &KeyError{"dkim.algorithms", strconv.Quote(alg) + " is not rsa or ed25519, each once"}
		}
	}
	if len(c.DKIM.Algorithms) == 0 {
		return &KeyError{"dkim.algorithms", "empty; no mail leaves without a signature"}
	}
	return nil
}

// Loopback reports whether a host:port is on this machine.
func Loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}
