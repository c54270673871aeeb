package config

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
)

func checkFilter(c Config) *KeyError {
	f := c.Filter
	switch {
	case !slices.Contains([]string{"", "rspamd", "milter"}, f.Kind):
		return &KeyError{"filter.kind", strconv.Quote(f.Kind) + " is not rspamd or milter"}
	case f.Kind == "" && f.Address != "":
		return &KeyError{"filter.kind", "required with filter.address"}
	case f.PasswordFile != "" && f.Kind != "rspamd":
		return &KeyError{"filter.password_file", "only rspamd has a password"}
	case f.QuarantineScore < f.FlagScore:
		return &KeyError{"filter.quarantine_score", "less than filter.flag_score"}
	case f.WhenDown != "tempfail" && f.WhenDown != "accept-flagged":
		return &KeyError{"filter.when_down", strconv.Quote(f.WhenDown) + " is not tempfail or accept-flagged"}
	case f.ControllerPasswordFile != "" && f.Controller == "":
		return &KeyError{"filter.controller", "required with filter.controller_password_file"}
	}
	var why string
	switch f.Kind {
	case "rspamd":
		why = badRspamd(f.Address)
	case "milter":
		why = badMilter(f.Address)
	}
	if why != "" {
		return &KeyError{"filter.address", why}
	}
	if f.Controller != "" {
		if why := badRspamd(f.Controller); why != "" {
			return &KeyError{"filter.controller", why}
		}
	}
	return nil
}

// badRspamd says why an address is not one of rspamd that may be sent mail, or "".
func badRspamd(address string) string {
	u, err := url.Parse(address)
	switch {
	case err == nil && u.Scheme == "unix" && strings.HasPrefix(u.Path, "/"):
		return ""
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Port() == "" || u.Hostname() == "" ||
		u.User != nil || strings.Trim(u.Path, "/")+u.RawQuery+u.Fragment != "":
		return strconv.Quote(address) + " is not http://host:port, https://host:port or unix:/path"
	case u.Scheme == "http" && !Loopback(u.Host):
		return "not on this machine: mail travels there under https only"
	}
	return ""
}

// badMilter is badRspamd for a milter, whose protocol has no TLS.
func badMilter(address string) string {
	network, at, _ := strings.Cut(address, ":")
	switch {
	case network == "unix" && strings.HasPrefix(at, "/"), network == "inet" && Loopback(at):
		return ""
	case network == "inet":
		return "not on this machine: a milter has no TLS; put it here, or a tunnel"
	}
	return strconv.Quote(address) + " is not inet:127.0.0.1:port or unix:/path"
}
