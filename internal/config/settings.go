package config

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/pelletier/go-toml/v2"
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

// section is a table of the file, or each table of a list.
type section struct {
	name, meaning string
	list          bool // written [[name]], any number of times
}

// heading is the line that begins the table.
func (s section) heading() string {
	if s.list {
		return "[[" + s.name + "]]"
	}
	return "[" + s.name + "]"
}

// lists returns how many lists of tables a key stands in.
func lists(key string) (n int) {
	for _, s := range sections {
		if s.list && (key == s.name || strings.HasPrefix(key, s.name+".")) {
			n++
		}
	}
	return n
}

// listed reports whether a table may be there several times, or not at all.
func listed(table string) bool { return lists(table) > 0 }

var sections = []section{
	{"", "", false},
	{"smtp", "Submission by agents.", false},
	{"inbound", "Mail from the world, for the mailboxes of this installation; docs/inbound.md.", false},
	{"inbound.dmarc", "What becomes of mail whose author the domain in From does not vouch for; docs/authentication.md.",
		false},
	{"inbound.trusted", "A server in front of this one, such as a mail gateway: what it found out about a sender is " +
		"believed. It is recognised by its address and by a proof; without the proof a connection is a stranger's.",
		true},
	{"memory", "What is in memory at the same time.", false},
	{"logins", "Failed logins, over SMTP and HTTP together.", false},
	{"http", "The API, which the command line and MCP clients use too.", false},
	{"oauth", "How MCP clients get tokens of agents; docs/oauth.md.", false},
	{"oauth.grant", "People who may let a client act as an agent. Who is named here by no table, and is no approver, " +
		"may grant nothing.", true},
	{"hooks", "What webhooks may reach; docs/webhooks.md.", false},
	{"relay", "The way to the next hop.", false},
	{"queue", "Retries, holds, and what a mailbox may have waiting.", false},
	{"inbox", "What a mailbox may keep of incoming mail.", false},
	{"dkim", "The signatures of the sending domains.", false},
	{"keys", "The keys that sign, for identity and for DKIM; docs/keys.md.", false},
	{"dns", "How the records of the sending domains are looked up, and what they should say.", false},
	{"filter", "What judges whether mail is spam; docs/spam.md.", false},
	{"issuer", "An issuer of tokens that agents log in with, over SMTP (OAUTHBEARER, XOAUTH2), HTTP and MCP; " +
		"docs/entra.md has an example. What a token may do is also bounded by the agent that it is bound to.", true},
	{"issuer.scopes", "What the scopes or roles of a token mean here. What is not named means nothing.", false},
	{"issuer.login", "How people sign in at the issuer, where MCP clients ask for their consent; docs/oauth.md.", false},
	{"issuer.provision", "Agents of this role that are not known yet are made with their first token, each with a " +
		"mailbox of the mode gated_send. Without such a table an unknown agent gets nothing.", true},
}

const filesReload = "the files are read again"

// Settings lists every key in the order of the file.
var Settings = append([]Setting{
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
	{"smtp.client_ca_file", "PEM file", `""`,
		"Authorities whose client certificates may log in (AUTH EXTERNAL) as the agent that one of their names " +
			"stands for. Certificates whose public key is pinned need none. No revocation list is read: revoke " +
			"the certificate here.", ""},
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

	{"inbound.listen", "host:port", `""`,
		"Listener for SMTP of other servers, such as :25, with STARTTLS if smtp.tls_cert_file is given; empty for " +
			"none.", ""},
	{"inbound.lmtp", "host:port or unix:PATH", `""`,
		"Listener for LMTP (RFC 2033) of a mail server in front, on a loopback or private address or a unix socket; " +
			"empty for none. Who reaches it is trusted to have checked where mail comes from.", ""},
	{"inbound.lmtp_authserv_id", "host name", `""`,
		"The authserv-id of the server in front that speaks LMTP: the topmost Authentication-Results field is " +
			"believed if it has this name. Empty: none is.", ""},
	{"inbound.hostname", "host name", `""`,
		"Name announced to other servers, and the authserv-id of our Authentication-Results; empty for " +
			"smtp.hostname.", ""},
	{"inbound.max_recipients", "recipients", `100`,
		"Most recipients of one message; a further one is answered 452, and comes with the next message.", ""},
	{"inbound.max_connections", "connections", `500`,
		"Most connections at the same time, of each listener; a further one is answered 421.", ""},
	{"inbound.max_connections_per_source", "connections", `20`,
		"Most of them from one source: an IPv4 address or an IPv6 /64. Loopback and trusted servers are exempt, " +
			"here and below.", ""},
	{"inbound.connections_per_minute", "connections a minute", `120`, "Of one source; a further one is answered 421.", ""},
	{"inbound.messages_per_minute", "messages a minute", `300`, "Of one source; a further one is answered 450.", ""},
	{"inbound.unknown_recipients_per_minute", "recipients a minute", `30`,
		"Of one source: recipients that do not exist here. Over its limit every recipient is answered 450.", ""},

	{"inbound.trusted_sealers", "domains", `[]`,
		"Domains of mailing lists and forwarders whose newest ARC seal, in a chain that passes, excuses a mail from " +
			"the policy of the domain in From, if it passed there.", ""},

	{"inbound.dmarc.reject", "reject, quarantine or accept", `"reject"`,
		"Where the domain demands that the mail is rejected: answer 550, keep it for an approver, or deliver it.", ""},
	{"inbound.dmarc.quarantine", "quarantine, reject or accept", `"quarantine"`,
		"Where the domain demands quarantine, or From does not name one author.", ""},
	{"inbound.dmarc.temperror", "tempfail or accept", `"tempfail"`,
		"Where the DNS does not say what the domain demands: answer 451, so that it comes again, or deliver it.", ""},

	{"inbound.trusted.name", "name", `""`,
		"Its name in records and pages: letters, digits and '-'. Required.", ""},
	{"inbound.trusted.ranges", "addresses or CIDR", `[]`,
		"Where it connects from, such as 192.0.2.0/28. Required.", ""},
	{"inbound.trusted.proof", "certificate, private or header", `""`,
		"certificate: its TLS client certificate is one of certificates. private: every range is private " +
			"(RFC 1918, RFC 4193, loopback) and nobody else is in it. header: for the ranges that a provider shares " +
			"among its customers, such as those of Exchange Online: the message has the field header, once, with " +
			"value; name one that the provider itself overwrites. Required.", ""},
	{"inbound.trusted.certificates", "SHA-256, hex", `[]`,
		"Of proof certificate: the fingerprints, as printed by openssl x509 -noout -fingerprint -sha256.", ""},
	{"inbound.trusted.header", "field", `""`,
		"Of proof header: such as X-MS-Exchange-CrossTenant-Id.", ""},
	{"inbound.trusted.value", "text", `""`, "Of proof header: such as the id of your tenant.", ""},
	{"inbound.trusted.authserv_id", "host name", `""`,
		"The authserv-id of its Authentication-Results: the topmost such field is believed if it has this name. " +
			"Empty: none is.", ""},
	{"inbound.trusted.no_authserv_id", "", `false`,
		"Its Authentication-Results has no authserv-id at all, as that of Exchange Online: the topmost such field is " +
			"believed if it begins with a result. Set it only for a server that writes one into every mail of a " +
			"stranger. Not beside authserv_id.", ""},

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
	{"http.public_url", "origin", `""`,
		"How clients address this server from outside, such as https://mail.example.com: the links that it gives out, " +
			"and what tokens of OAuth are for. Empty: as a listener with a certificate is called.", ""},
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
	{"relay.rewrites", "message-id, date", `[]`,
		"Fields that the smarthost replaces in every mail, as Amazon SES does with both. DKIM does not cover them " +
			"then, and with message-id the identity header is not bound to an id.", ""},
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
	{"queue.warmup", "", `false`,
		"Mail of a sending domain may have 50 recipients a day for its first ten days here, then 500, then 5,000, and any " +
			"number after 30 days; a mail beyond it is answered 451 or 429. For a domain or an address that " +
			"servers of the world do not know yet.", ""},

	{"inbox.quota_size", "octets", `"2GB"`,
		"What one mailbox may keep of incoming mail, held and quarantined mail included; another server that brings " +
			"more is answered 452 and tries again.", ""},
	{"inbox.quota_count", "mails", `200000`, "The same, counted.", ""},
	{"inbox.retention", "", `""`,
		"How long mail of both directions stays once nothing is waited for; then it is erased. Empty: for ever. A " +
			"mailbox may have its own, and a legal hold keeps what it has.", ""},
	{"inbox.retention_size", "octets", `"2GB"`,
		"What one mailbox has received beyond this is erased, oldest first. At the quota or above it nothing is: below, " +
			"who sends much pushes out what others sent.", ""},
	{"inbox.trash_after", "", `"30d"`,
		"When mail is erased that its reader threw away, or that its mailbox never got.", ""},

	{"dkim.algorithms", "rsa, ed25519", `["rsa"]`,
		"Each mail gets a signature of each: RSA-2048, Ed25519. Most receivers do not check Ed25519; alone it is a " +
			"mail without a signature to them, and the start warns. Before the RSA key is left out, publish the other.", ""},

	{"keys.rotate_every", "", `""`,
		"How old a key becomes before the next one, published two days ahead, takes its place; empty: never by " +
			"itself. At least 7d. A DKIM key is not switched to before its record was seen in the DNS.", ""},
	{"keys.pkcs11_module", "file", `""`,
		"PKCS #11 library of a token or HSM in which new keys are made and sign; empty: keys are in files. Only in " +
			"a program that was built with the tag pkcs11.", ""},
	{"keys.pkcs11_token", "text", `""`, "Label of the token.", ""},
	{"keys.pkcs11_pin_file", "file, mode 0600", `""`, "PIN of its user.", ""},

	{"dns.resolver", "host:port", `[]`,
		"Servers that resolve names, in the order to ask; empty for those of the system.", ""},
	{"dns.timeout", "", `"5s"`,
		"How long one of them may take for an answer. After two rounds over all of them nothing is known.", ""},
	{"dns.spf", "mechanisms", `[]`,
		"What of SPF lets pass mail that leaves here, such as include:spf.example.net for a smarthost. Empty: " +
			"a: with smtp.hostname.", ""},
	{"dns.mx", "host names", `[]`,
		"Hosts that take mail for the sending domains. Empty: neither MX nor MTA-STS is printed or checked.", ""},
	{"dns.bounce", "label", `""`,
		"Subdomain of the sending domains that bounces come back to, with the same hosts; empty for none.", ""},
	{"dns.reports", "address", `""`,
		"Who gets reports about DMARC and TLS; empty for postmaster of each domain.", ""},
	{"dns.mta_sts_mode", "testing, enforce or none", `"testing"`,
		"Mode of the MTA-STS policy (RFC 8461). enforce only after reports without failures; none to end a policy.", ""},
	{"dns.mta_sts_max_age", "", `"7d"`,
		"How long other servers keep the policy; a year at most.", ""},

	{"filter.kind", "rspamd or milter", `""`,
		"Program that is asked about each mail; empty: incoming mail is judged by the signs built in alone.", ""},
	{"filter.address", "URL or socket", `""`,
		"Where it listens. rspamd: http://127.0.0.1:11333, https://host:port or unix:/path; a milter: " +
			"inet:127.0.0.1:8891 or unix:/path. Without TLS only on this machine: it is sent the whole mail.", ""},
	{"filter.password_file", "file, mode 0600", `""`, "Password of rspamd's worker, if it wants one.", ""},
	{"filter.ca_file", "PEM file", `""`, "Certificate authorities to trust for https, beside the system's.", ""},
	{"filter.timeout", "", `"10s"`,
		"How long it may take for one mail, the wait for its turn included. Longer counts as down.", ""},
	{"filter.max_size", "octets", `"25MB"`,
		"Largest mail that it is sent. A larger one is flagged unasked.", ""},
	{"filter.flag_score", "points", `6`,
		"Score from which a mail is flagged: it is delivered, and marked.", ""},
	{"filter.quarantine_score", "points", `15`,
		"Score from which a mail is quarantined: it waits for an approver, in every mode.", ""},
	{"filter.outgoing", "", `true`,
		"The program is asked about outgoing mail too. Its verdict is shown to the approver; mail that it would " +
			"quarantine is held.", ""},
	{"filter.when_down", "tempfail or accept-flagged", `"tempfail"`,
		"What happens to mail while the program does not answer, or answers what cannot be meant. tempfail: 451 or " +
			"503, the sender tries again. accept-flagged: it is taken, judged by the signs built in, and flagged.", ""},
	{"filter.controller", "URL or socket", `""`,
		"rspamd's controller, such as http://127.0.0.1:11334: it learns what an approver reports as spam, and what " +
			"one releases from quarantine. Empty: nothing is learnt. What an agent says is never learnt.", ""},
	{"filter.controller_password_file", "file, mode 0600", `""`, "Password of the controller.", ""},

	{"issuer.name", "name", `""`,
		"Name of this issuer in bindings, records and the log. Required; it is not changed later.", ""},
	{"issuer.preset", "entra or generic", `"generic"`,
		"entra: Microsoft Entra, whose issuers, keys and claims are known. generic: any other issuer.", ""},
	{"issuer.issuer", "URL", `""`,
		"The exact iss of its tokens. Required for generic; entra has one for each tenant.", ""},
	{"issuer.discovery_url", "https URL", `""`,
		"Its OpenID configuration, which names its keys. For generic exactly one of discovery_url, jwks_url and " +
			"jwks_file is required; entra needs none of them, and takes jwks_url or jwks_file.", ""},
	{"issuer.jwks_url", "https URL", `""`,
		"Its keys, as a JWK Set. http only on loopback.", ""},
	{"issuer.jwks_file", "file", `""`,
		"Its keys, as a JWK Set in a file, which is read at the start.", ""},
	{"issuer.audiences", "", `[]`,
		"The exact values of aud that are ours. Required. For entra the client id of the registration that stands " +
			"for this server, and with tokens of version 1 its application ID URI.", ""},
	{"issuer.tenants", "", `[]`,
		"The tenants whose tokens are taken. Required for entra, as GUIDs. For generic only with tenant_claim.", ""},
	{"issuer.algorithms", "", `["RS256"]`,
		"Signature algorithms: RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, ES512 or EdDSA.", ""},
	{"issuer.skew", "", `"60s"`,
		"How far its clock may differ from ours; at most 60s.", ""},
	{"issuer.keys_survive", "", `"24h"`,
		"How long its keys are used after the last answer with keys, when it cannot be reached.", ""},
	{"issuer.object_claim", "claim", `"client_id"`,
		"Of generic: the claim that names the agent; never sub.", ""},
	{"issuer.tenant_claim", "claim", `""`,
		"Of generic: the claim that names the tenant; empty if it has none.", ""},
	{"issuer.person_claim", "claim", `"sub"`,
		"Of generic: the claim that names the person on whose behalf the agent acts. A token that has it, with " +
			"another value than the agent's, is such a token.", ""},
	{"issuer.scope_claim", "claim", `"scope"`,
		"Of generic: the claim with the scopes, as a text with blanks or as a list.", ""},

	{"issuer.scopes.read", "", `[]`, "Values that mean read.", ""},
	{"issuer.scopes.send", "", `[]`, "Values that mean send. None of them means oversight or audit_read too.", ""},
	{"issuer.scopes.oversight", "", `[]`, "Values that mean oversight.", ""},
	{"issuer.scopes.oversight_read", "", `[]`, "Values that mean oversight_read.", ""},
	{"issuer.scopes.audit_read", "", `[]`, "Values that mean audit_read: the audit log, and nothing else.", ""},
	{"issuer.scopes.tighten", "", `[]`, "Values that mean tighten: to stop and to restrict, and nothing else.", ""},

	{"issuer.provision.tenant", "GUID", `""`, "The tenant. Required; one of tenants. Only for entra.", ""},
	{"issuer.provision.role", "role", `""`, "The application role that a token of an autonomous agent has. Required.", ""},
	{"issuer.provision.address", "address", `""`,
		"Address of the mailbox, in which {object} stands for the object id of the agent, such as " +
			"agent-{object}@example.com. Required.", ""},
}, slices.Concat(oauthSettings, hookSettings)...)

// Type names the type of the value for people.
func (s Setting) Type() string {
	switch typ := fieldOf(reflect.TypeFor[Config](), s.Key).Type; typ {
	case reflect.TypeFor[Size]():
		return "size"
	case reflect.TypeFor[Duration](), reflect.TypeFor[Period]():
		return "duration"
	default:
		return map[reflect.Kind]string{reflect.String: "text", reflect.Int: "number", reflect.Bool: "true or false",
			reflect.Slice: "list of texts"}[typ.Kind()]
	}
}

// table returns the table of the key and its name there.
func (s Setting) table() (table, name string) {
	if i := strings.LastIndexByte(s.Key, '.'); i >= 0 {
		return s.Key[:i], s.Key[i+1:]
	}
	return "", s.Key
}

// fieldOf returns the field of a key.
func fieldOf(t reflect.Type, key string) reflect.StructField {
	if t.Kind() == reflect.Slice {
		t = t.Elem()
	}
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

// value is one value of a key.
type value struct {
	reflect.Value
	path string // see place
}

// valuesOf returns the values of a key in c: one, or one for each table of a list.
func valuesOf(c Config, key string) []value {
	all := []value{{reflect.ValueOf(&c).Elem(), ""}}
	for name := range strings.SplitSeq(key, ".") {
		var below []value
		for _, v := range all {
			v = value{v.FieldByIndex(fieldOf(v.Type(), name).Index), strings.TrimPrefix(v.path+"."+name, ".")}
			if v.Kind() != reflect.Slice || v.Type().Elem().Kind() != reflect.Struct {
				below = append(below, v)
				continue
			}
			for i := range v.Len() {
				below = append(below, value{v.Index(i), fmt.Sprintf("%s[%d]", v.path, i)})
			}
		}
		all = below
	}
	return all
}

// oneOfEach returns the defaults, with one table in every list.
var oneOfEach = sync.OnceValue(func() (c Config) {
	if err := toml.Unmarshal([]byte(example("", true)), &c); err != nil {
		panic(err) // the table is part of the program
	}
	return c
})

// example returns a file with every key at its default, of the tables of lists
// only if lists says so; mark stands before each key and each such table.
func example(mark string, lists bool) string {
	var b strings.Builder
	for _, sec := range sections {
		switch inList := listed(sec.name); {
		case inList && !lists:
			continue
		case inList:
			fmt.Fprintf(&b, "\n%s%s%s\n", fold("# ", sec.meaning, 78), mark, sec.heading())
		case sec.name != "":
			fmt.Fprintf(&b, "\n# %s\n%s\n", sec.meaning, sec.heading())
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
