// Package config reads the one configuration file of a daemon.
//
// The file is TOML. A key that is not known, or stands twice, is an error with
// its place; a secret is only ever named by a file; and no key switches an
// invariant off. [Settings] describes every key and has its default.
package config

import (
	"fmt"
	"os"
	"slices"
	"sync"
)

// Config is every setting of a daemon; [Settings] says what each means. Who sends
// and who approves is not in it: agents, mailboxes and keys live in the store.
type Config struct {
	Data  string `toml:"data"`
	Node  string `toml:"node"`
	SMTP  SMTP   `toml:"smtp"`
	HTTP  HTTP   `toml:"http"`
	Relay Relay  `toml:"relay"`
	Queue Queue  `toml:"queue"`
	Inbox Inbox  `toml:"inbox"`
	DKIM  DKIM   `toml:"dkim"`
	Keys  Keys   `toml:"keys"`
	DNS   DNS    `toml:"dns"`

	Filter Filter `toml:"filter"`

	Inbound Inbound `toml:"inbound"`

	Logins Logins `toml:"logins"`
	Memory Memory `toml:"memory"`

	Issuers []Issuer `toml:"issuer"`
	OAuth   OAuth    `toml:"oauth"`

	Hooks Hooks `toml:"hooks"`
}

// Hooks is what webhooks may reach.
type Hooks struct {
	AllowTargets []string `toml:"allow_targets"`
}

// SMTP is submission.
type SMTP struct {
	Hostname       string `toml:"hostname"`
	Submission     string `toml:"submission"`
	Submissions    string `toml:"submissions"`
	CertFile       string `toml:"tls_cert_file"`
	KeyFile        string `toml:"tls_key_file"`
	ClientCAFile   string `toml:"client_ca_file"`
	MaxSize        Size   `toml:"max_size"`
	MaxRecipients  int    `toml:"max_recipients"`
	MaxConnections int    `toml:"max_connections"`
	MaxPerSource   int    `toml:"max_connections_per_source"`
	MaxCommands    int    `toml:"max_commands"`
}

// Inbound is mail from the world.
type Inbound struct {
	Listen         string `toml:"listen"`
	LMTP           string `toml:"lmtp"`
	LMTPAuthServID string `toml:"lmtp_authserv_id"`
	Hostname       string `toml:"hostname"`
	MaxRecipients  int    `toml:"max_recipients"`
	MaxConnections int    `toml:"max_connections"`
	MaxPerSource   int    `toml:"max_connections_per_source"`

	ConnectionsPerMinute int `toml:"connections_per_minute"`
	MessagesPerMinute    int `toml:"messages_per_minute"`
	UnknownPerMinute     int `toml:"unknown_recipients_per_minute"`

	TrustedSealers []string `toml:"trusted_sealers"`

	DMARC   DMARC `toml:"dmarc"`
	Trusted []Hop `toml:"trusted"`
}

// DMARC says what becomes of incoming mail by the policy of the domain in From.
type DMARC struct {
	Reject     string `toml:"reject"`
	Quarantine string `toml:"quarantine"`
	TempError  string `toml:"temperror"`
}

// Hop is a server in front of this one, and how it is recognised.
type Hop struct {
	Name         string   `toml:"name"`
	Ranges       []string `toml:"ranges"`
	Proof        string   `toml:"proof"`
	Certificates []string `toml:"certificates"`
	Header       string   `toml:"header"`
	Value        string   `toml:"value"`
	AuthServID   string   `toml:"authserv_id"`
	NoAuthServID bool     `toml:"no_authserv_id"`
}

// Logins limits failed logins.
type Logins struct {
	PerSource  int `toml:"per_source"`
	PerAccount int `toml:"per_account"`
}

// Memory limits what is in memory at the same time.
type Memory struct {
	Messages Size `toml:"messages"`
}

// HTTP is the API.
type HTTP struct {
	Listen       string   `toml:"listen"`
	CertFile     string   `toml:"tls_cert_file"`
	KeyFile      string   `toml:"tls_key_file"`
	AllowedHosts []string `toml:"allowed_hosts"`
	PublicURL    string   `toml:"public_url"`

	MaxPerSource         int `toml:"max_connections_per_source"`
	RequestsPerMinute    int `toml:"requests_per_minute"`
	SubmissionsPerMinute int `toml:"submissions_per_minute"`
}

// Relay is the way to the next hop.
type Relay struct {
	Smarthost      string `toml:"smarthost"`
	TLS            string `toml:"tls"`
	ImplicitTLS    bool   `toml:"implicit_tls"`
	Username       string `toml:"username"`
	PasswordFile   string `toml:"password_file"`
	CAFile         string `toml:"ca_file"`
	PerDestination int    `toml:"per_destination"`

	Rewrites []string `toml:"rewrites"`

	GreetingTimeout Duration `toml:"greeting_timeout"`

	Auth              string `toml:"auth"`
	OAuthTokenURL     string `toml:"oauth_token_url"`
	OAuthClientID     string `toml:"oauth_client_id"`
	OAuthClientSecret string `toml:"oauth_client_secret_file"`
	OAuthScope        string `toml:"oauth_scope"`
}

// Queue is retries, holds, and what a mailbox may have waiting.
type Queue struct {
	Workers      int      `toml:"workers"`
	Lease        Duration `toml:"lease"`
	Lifetime     Duration `toml:"lifetime"`
	FirstRetry   Duration `toml:"first_retry"`
	MaxRetry     Duration `toml:"max_retry"`
	Hold         Duration `toml:"hold"`
	HeldSize     Size     `toml:"held_size"`
	HeldCount    int      `toml:"held_count"`
	BacklogSize  Size     `toml:"backlog_size"`
	BacklogCount int      `toml:"backlog_count"`
	WarmUp       bool     `toml:"warmup"`
}

// Inbox is what a mailbox may keep of incoming mail.
type Inbox struct {
	QuotaSize  Size `toml:"quota_size"`
	QuotaCount int  `toml:"quota_count"`

	Retention     Period   `toml:"retention"`
	RetentionSize Size     `toml:"retention_size"`
	TrashAfter    Duration `toml:"trash_after"`
}

// Keys is what becomes of the keys that sign, by itself.
type Keys struct {
	RotateEvery   Period `toml:"rotate_every"`
	PKCS11Module  string `toml:"pkcs11_module"`
	PKCS11Token   string `toml:"pkcs11_token"`
	PKCS11PINFile string `toml:"pkcs11_pin_file"`
}

// DKIM is the domain's signature.
type DKIM struct {
	Algorithms []string `toml:"algorithms"`
}

// DNS is how names are looked up, and what the domains should publish.
type DNS struct {
	Resolver []string `toml:"resolver"`
	Timeout  Duration `toml:"timeout"`

	SPF          []string `toml:"spf"`
	MX           []string `toml:"mx"`
	Bounce       string   `toml:"bounce"`
	Reports      string   `toml:"reports"`
	MTASTSMode   string   `toml:"mta_sts_mode"`
	MTASTSMaxAge Duration `toml:"mta_sts_max_age"`
}

// Filter is what judges whether mail is spam.
type Filter struct {
	Kind            string   `toml:"kind"`
	Address         string   `toml:"address"`
	PasswordFile    string   `toml:"password_file"`
	CAFile          string   `toml:"ca_file"`
	Timeout         Duration `toml:"timeout"`
	MaxSize         Size     `toml:"max_size"`
	FlagScore       int      `toml:"flag_score"`
	QuarantineScore int      `toml:"quarantine_score"`
	Outgoing        bool     `toml:"outgoing"`
	WhenDown        string   `toml:"when_down"`

	Controller             string `toml:"controller"`
	ControllerPasswordFile string `toml:"controller_password_file"`
}

// Default returns what holds where the file is silent.
func Default() Config {
	c := defaults()
	c.HTTP.AllowedHosts = slices.Clone(c.HTTP.AllowedHosts)
	for _, list := range []*[]string{&c.DNS.Resolver, &c.DNS.SPF, &c.DNS.MX, &c.DKIM.Algorithms, &c.OAuth.ClientHosts} {
		*list = slices.Clone(*list)
	}
	return c
}

var defaults = sync.OnceValue(func() (c Config) {
	if err := decode("the table of settings", example("", false), &c); err != nil {
		panic(err) // the table is part of the program
	}
	return c
})

// Read parses a file over the defaults and checks it.
func Read(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(path, string(b))
	if err != nil {
		return c, fmt.Errorf("config: %w", err)
	}
	return c, nil
}

// ReadIssuers reads the issuers of a file alone, for a daemon whose other settings
// are given.
func ReadIssuers(path string) ([]Issuer, error) {
	c, err := readPart(path, checkPositive, checkIssuers)
	return c.Issuers, err
}

// ReadFilter is ReadIssuers for the spam filter.
func ReadFilter(path string) (Filter, error) {
	c, err := readPart(path, checkPositive, checkFilter)
	return c.Filter, err
}

// readPart reads a file of which only what these functions check is used.
func readPart(path string, checks ...func(Config) *KeyError) (Config, error) {
	c := Default()
	b, err := os.ReadFile(path)
	if err != nil {
		return c, fmt.Errorf("config: %w", err)
	}
	if err := decode(path, string(b), &c); err != nil {
		return c, fmt.Errorf("config: %w", err)
	}
	for _, check := range checks {
		if err := check(c); err != nil {
			return c, placed(path, string(b), err)
		}
	}
	return c, nil
}

// Parse is Read for text; its errors begin with the name and the line.
func Parse(name, text string) (Config, error) {
	c := Default()
	if err := decode(name, text, &c); err != nil {
		return c, err
	}
	return c, placed(name, text, c.Check())
}
