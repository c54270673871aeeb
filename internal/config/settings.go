package config

import (
	"fmt"
	"reflect"
	"strings"
)

// Setting is one key of the configuration. This table is the only place that
// has a default; config.example.toml and docs/configuration.md are made from it.
type Setting struct {
	Key     string // "smtp.max_size"
	Unit    string // of a number: what it counts; of a text: its form
	Default string // as TOML
	Meaning string // sentences
	Reload  string // what SIGHUP does; "" means that a change needs a restart
}

// section is a table of the file.
type section struct{ name, meaning string }

var sections = []section{
	{"", ""},
	{"smtp", "Submission by agents."},
	{"memory", "What is in memory at the same time."},
	{"logins", "Failed logins, over SMTP and HTTP together."},
	{"http", "The API, which the command line and MCP clients use too."},
	{"relay", "The way to the next hop."},
	{"queue", "Retries, holds, and what a mailbox may have waiting."},
	{"dkim", "The signatures of the sending domains."},
}

const filesReload = "the files are read again"

// Settings lists every key in the order of the file.
var Settings = []Setting{
	{"data", "directory", `"/var/lib/multimail"`,
		"Directory of the database, the signing keys and the admin socket.", ""},
	{"node", "name", `""`,
		"Name of this node and of its chain in the audit log; empty for that of the data directory, beside which " +
			"any other is refused.", ""},

	{"smtp.hostname", "host name", `"localhost"`,
		"Name announced to clients and to next hops, and written into Received.", ""},
	{"smtp.submission", "host:port", `":587"`,
		"Listener with STARTTLS (RFC 6409); empty for none.", ""},
	{"smtp.submissions", "host:port", `":465"`,
		"Listener with implicit TLS (RFC 8314); empty for none.", ""},
	{"smtp.tls_cert_file", "PEM file", `""`,
		"Certificate chain. Required with a listener: passwords travel only under TLS. " +
			"The files are read again when they change, too.", filesReload},
	{"smtp.tls_key_file", "PEM file", `""`,
		"Its key.", filesReload},
	{"smtp.max_size", "octets", `"25MB"`,
		"Largest message, after the transfer encoding.", ""},
	{"smtp.max_recipients", "recipients", `100`,
		"Most recipients of one message.", ""},
	{"smtp.max_connections", "connections", `1000`,
		"Most connections at the same time; a further one is answered 421.", ""},
	{"smtp.max_connections_per_source", "connections", `100`,
		"Most of them from one source: an IPv4 address or an IPv6 /64. Loopback is exempt.", ""},
	{"smtp.max_commands", "commands", `500`,
		"Most commands of a session, beside max_recipients, without a login or a message that is taken.", ""},

	{"memory.messages", "octets", `"512MB"`,
		"Messages that are coming in, over SMTP, HTTP and MCP; a further one is answered 451 or 503. " +
			"One agent may have a quarter. At least one message of smtp.max_size in base64.", ""},

	{"logins.per_source", "failed logins a minute", `10`,
		"Of one source (as above); over its limit it is refused before its password is looked at.", ""},
	{"logins.per_account", "failed logins a minute", `10`,
		"Of one account; over its limit it still takes the right password.", ""},

	{"http.listen", "host:port", `"127.0.0.1:8025"`,
		"Listener of the API and of /mcp; empty for none.", ""},
	{"http.tls_cert_file", "PEM file", `""`,
		"Certificate chain. Required unless listen is a loopback address.", filesReload},
	{"http.tls_key_file", "PEM file", `""`,
		"Its key.", filesReload},
	{"http.allowed_hosts", "host names", `[]`,
		"Host names that are answered. Empty: all, or where listen is a loopback address only loopback names " +
			"and, below /.well-known/, the own sending domains.", ""},
	{"http.max_connections_per_source", "connections", `100`,
		"Most connections from one source at the same time (an IPv4 address, the /64 of an IPv6 address; " +
			"loopback is not counted); a further one is closed.", ""},
	{"http.requests_per_minute", "requests a minute", `1200`,
		"Of one API key; a further one is answered 429.", ""},
	{"http.submissions_per_minute", "submissions a minute", `600`,
		"Of one credential, over HTTP and SMTP; a further one is answered 429 or 450.", ""},

	{"relay.smarthost", "host:port", `""`,
		"Next hop for all mail; empty delivers by MX.", ""},
	{"relay.tls", "none, opportunistic or required", `""`,
		"opportunistic: TLS where it is offered, unchecked. required: TLS with a certificate of the host's name. " +
			"Empty: required for a smarthost that is not on this machine, opportunistic by MX and on loopback.", ""},
	{"relay.implicit_tls", "", `false`,
		"The smarthost speaks TLS from the first octet (port 465).", ""},
	{"relay.username", "name", `""`,
		"AUTH at the smarthost, under TLS or on loopback only.", ""},
	{"relay.password_file", "file, mode 0600", `""`,
		"Password beside it.", ""},
	{"relay.auth", "auto, plain, login or xoauth2", `"auto"`,
		"Mechanism; auto is xoauth2 with a token endpoint, else plain, else login.", ""},
	{"relay.oauth_token_url", "URL", `""`,
		"Token endpoint for XOAUTH2 with client credentials, for Exchange Online and others: for example " +
			"https://login.microsoftonline.com/TENANT/oauth2/v2.0/token with the scope " +
			"https://outlook.office365.com/.default and the mailbox as username.", ""},
	{"relay.oauth_client_id", "text", `""`, "Client at the token endpoint.", ""},
	{"relay.oauth_client_secret_file", "file, mode 0600", `""`, "Its secret.", ""},
	{"relay.oauth_scope", "text", `""`, "Scope to ask for.", ""},
	{"relay.ca_file", "PEM file", `""`,
		"Certificate authorities to trust beside the system's.", ""},
	{"relay.per_destination", "connections", `10`,
		"Most connections to one destination.", ""},
	{"relay.greeting_timeout", "", `"30s"`,
		"How long a next hop may take for its greeting and for each reply before MAIL. RFC 5321 allows five " +
			"minutes; a host that is so slow holds a worker meanwhile.", ""},

	{"queue.workers", "attempts", `16`,
		"Attempts at the same time.", ""},
	{"queue.lease", "", `"15m"`,
		"Longest time one attempt may take.", ""},
	{"queue.lifetime", "", `"5d"`,
		"How long a released mail is retried.", ""},
	{"queue.first_retry", "", `"1m"`,
		"Wait after the first attempt; doubled each time up to max_retry.", ""},
	{"queue.max_retry", "", `"4h"`,
		"Longest wait between two attempts.", ""},
	{"queue.hold", "", `"7d"`,
		"How long a mail waits for a decision before it expires, unless its mailbox says otherwise.", ""},
	{"queue.held_size", "octets", `"2GB"`,
		"What one mailbox may have waiting for a decision; a mail beyond it is answered 452 or 507.", ""},
	{"queue.held_count", "mails", `10000`, "The same, counted.", ""},
	{"queue.backlog_size", "octets", `"2GB"`,
		"What one mailbox may have waiting to be sent, scheduled mail included; " +
			"a mail beyond it is answered 452 or 507.", ""},
	{"queue.backlog_count", "mails", `10000`, "The same, counted.", ""},

	{"dkim.ed25519", "", `false`,
		"Sign with Ed25519 beside RSA-2048.", ""},
}

// Type names the type of the value for people.
func (s Setting) Type() string {
	switch typ := fieldOf(reflect.TypeFor[Config](), s.Key).Type; typ {
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Duration]():
		return "duration"
	default:
		return map[reflect.Kind]string{reflect.String: "text", reflect.Int: "number", reflect.Bool: "true or false",
			reflect.Slice: "list of texts"}[typ.Kind()]
	}
}

// table returns the table of the key and its name there.
func (s Setting) table() (table, name string) {
	if table, name, ok := strings.Cut(s.Key, "."); ok {
		return table, name
	}
	return "", s.Key
}

// fieldOf returns the field of a key.
func fieldOf(t reflect.Type, key string) reflect.StructField {
	name, rest, nested := strings.Cut(key, ".")
	for f := range t.Fields() {
		if f.Tag.Get("toml") != name {
			continue
		}
		if nested {
			return fieldOf(f.Type, rest)
		}
		return f
	}
	panic("config: no field for " + key)
}

// valueOf returns the value of a key in c.
func valueOf(c Config, key string) reflect.Value {
	v := reflect.ValueOf(c)
	table, name, nested := strings.Cut(key, ".")
	if nested {
		v = v.FieldByIndex(fieldOf(v.Type(), table).Index)
	} else {
		name = table
	}
	return v.FieldByIndex(fieldOf(v.Type(), name).Index)
}

// example returns a file with every key at its default; mark stands before each.
func example(mark string) string {
	var b strings.Builder
	for _, sec := range sections {
		if sec.name != "" {
			fmt.Fprintf(&b, "\n# %s\n[%s]\n", sec.meaning, sec.name)
		}
		for _, s := range Settings {
			table, name := s.table()
			if table != sec.name {
				continue
			}
			b.WriteString(fold("# ", s.Meaning, 78))
			line := fmt.Sprintf("%s%s = %s", mark, name, s.Default)
			if s.Unit != "" {
				line += " # " + s.Unit
			}
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

// fold breaks a text into lines of at most n octets that begin with prefix.
func fold(prefix, text string, n int) string {
	var b strings.Builder
	line := prefix
	for _, word := range strings.Fields(text) {
		if len(line)+len(word) > n && line != prefix {
			b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = prefix
		}
		line += word + " "
	}
	return b.String() + strings.TrimRight(line, " ") + "\n"
}
