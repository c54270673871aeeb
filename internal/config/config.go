// Package config reads the one configuration file of a daemon.
//
// The file is TOML. A key that is not known is an error with its line, a
// secret is only ever named by a file, and no key switches a law of the house
// off. config.example.toml shows every key with its default; a test parses it
// and compares it with [Default].
package config

import (
	"errors"
	"fmt"
	"net"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/BurntSushi/toml"
)

// Config is everything a daemon can be told. Who sends and who approves is not
// in it: agents, mailboxes and keys live in the store.
type Config struct {
	Data  string `toml:"data"` // directory of the database, keys and socket
	Node  string `toml:"node"` // name of this node and of its audit chain
	SMTP  SMTP   `toml:"smtp"`
	HTTP  HTTP   `toml:"http"`
	Relay Relay  `toml:"relay"`
	Queue Queue  `toml:"queue"`
	DKIM  DKIM   `toml:"dkim"`

	Logins Logins `toml:"logins"`
	Memory Memory `toml:"memory"`
}

// SMTP is the submission door.
type SMTP struct {
	Hostname       string `toml:"hostname"`        // announced name
	Submission     string `toml:"submission"`      // STARTTLS listener, "" for none
	Submissions    string `toml:"submissions"`     // implicit TLS listener, "" for none
	CertFile       string `toml:"tls_cert_file"`   // PEM chain
	KeyFile        string `toml:"tls_key_file"`    // PEM key
	MaxSize        Size   `toml:"max_size"`        // of one message
	MaxRecipients  int    `toml:"max_recipients"`  // of one message
	MaxConnections int    `toml:"max_connections"` // at the same time
	MaxPerSource   int    `toml:"max_connections_per_source"`
	MaxCommands    int    `toml:"max_commands"` // without a login or a message
}

// Logins limits failed logins a minute, over all doors.
type Logins struct {
	PerSource  int `toml:"per_source"`
	PerAccount int `toml:"per_account"`
}

// Memory limits what is in memory at the same time.
type Memory struct {
	Messages Size `toml:"messages"` // octets of messages that come in, over all doors
}

// HTTP is the API door.
type HTTP struct {
	Listen       string   `toml:"listen"` // "" for none
	CertFile     string   `toml:"tls_cert_file"`
	KeyFile      string   `toml:"tls_key_file"`
	AllowedHosts []string `toml:"allowed_hosts"` // Host headers answered; empty: see config.example.toml

	MaxPerSource         int `toml:"max_connections_per_source"`
	RequestsPerMinute    int `toml:"requests_per_minute"`    // of one API key
	SubmissionsPerMinute int `toml:"submissions_per_minute"` // of one credential, over every door
}

// Relay is the way out.
type Relay struct {
	Smarthost      string `toml:"smarthost"` // host:port; "" delivers by MX
	TLS            string `toml:"tls"`       // none, opportunistic, required; "" by the next hop
	ImplicitTLS    bool   `toml:"implicit_tls"`
	Username       string `toml:"username"`
	PasswordFile   string `toml:"password_file"`
	CAFile         string `toml:"ca_file"`
	PerDestination int    `toml:"per_destination"`

	GreetingTimeout Duration `toml:"greeting_timeout"` // of each reply before MAIL

	Auth              string `toml:"auth"` // auto, plain, login, xoauth2
	OAuthTokenURL     string `toml:"oauth_token_url"`
	OAuthClientID     string `toml:"oauth_client_id"`
	OAuthClientSecret string `toml:"oauth_client_secret_file"`
	OAuthScope        string `toml:"oauth_scope"`
}

// Queue is the clockwork.
type Queue struct {
	Workers    int      `toml:"workers"`
	Lease      Duration `toml:"lease"`
	Lifetime   Duration `toml:"lifetime"`
	FirstRetry Duration `toml:"first_retry"`
	MaxRetry   Duration `toml:"max_retry"`
	Hold       Duration `toml:"hold"`

	// What one mailbox may have waiting for a decision, and to be sent.
	HeldSize     Size `toml:"held_size"`
	HeldCount    int  `toml:"held_count"`
	BacklogSize  Size `toml:"backlog_size"`
	BacklogCount int  `toml:"backlog_count"`
}

// DKIM is the domain's signature.
type DKIM struct {
	Ed25519 bool `toml:"ed25519"`
}

// Default returns what holds where the file is silent.
func Default() Config {
	return Config{
		Data: "/var/lib/multimail",
		Node: "node",
		SMTP: SMTP{Hostname: "localhost", Submission: ":587", Submissions: ":465",
			MaxSize: 25 << 20, MaxRecipients: 100, MaxConnections: 1000, MaxPerSource: 100, MaxCommands: 500},
		Logins: Logins{PerSource: 10, PerAccount: 10},
		Memory: Memory{Messages: 512 << 20},
		HTTP: HTTP{Listen: "127.0.0.1:8025", AllowedHosts: []string{}, MaxPerSource: 100,
			RequestsPerMinute: 1200, SubmissionsPerMinute: 600},
		Relay: Relay{PerDestination: 10, Auth: "auto", GreetingTimeout: Duration(30 * time.Second)},
		Queue: Queue{Workers: 16, Lease: Duration(15 * time.Minute), Lifetime: Duration(5 * 24 * time.Hour),
			FirstRetry: Duration(time.Minute), MaxRetry: Duration(4 * time.Hour), Hold: Duration(7 * 24 * time.Hour),
			HeldSize: 2 << 30, HeldCount: 10_000, BacklogSize: 2 << 30, BacklogCount: 10_000},
	}
}

// Read parses a file over the defaults and checks it.
func Read(path string) (Config, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c, err := Parse(string(b))
	if err != nil {
		return c, fmt.Errorf("config: %s: %w", path, err)
	}
	return c, nil
}

// Parse is Read for text.
func Parse(text string) (Config, error) {
	c := Default()
	meta, err := toml.Decode(text, &c)
	var bad toml.ParseError
	if errors.As(err, &bad) {
		return c, fmt.Errorf("line %d: %s", bad.Position.Line, bad.Message)
	}
	if err != nil {
		return c, err
	}
	if unknown := meta.Undecoded(); len(unknown) > 0 {
		return c, fmt.Errorf("line %d: unknown key %s", lineOf(text, unknown[0]), unknown[0])
	}
	return c, c.Check()
}

// lineOf finds a key again: the decoder reports unknown keys without a place.
func lineOf(text string, key toml.Key) int {
	table, line := "", 0
	for raw := range strings.Lines(text) {
		line++
		s := strings.TrimSpace(raw)
		if strings.HasPrefix(s, "[") {
			table = strings.Trim(s, "[] \t")
			if table == key.String() {
				return line
			}
		}
		name, _, ok := strings.Cut(s, "=")
		full := strings.TrimSpace(name)
		if table != "" {
			full = table + "." + full
		}
		if ok && full == key.String() {
			return line
		}
	}
	return line
}

// nodeName is what the audit log takes as the name of a chain.
var nodeName = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// Check refuses values that cannot be meant.
func (c Config) Check() error {
	switch {
	case c.Data == "":
		return errors.New("data: a directory is required")
	case !nodeName.MatchString(c.Node):
		return fmt.Errorf("node: %q is not a name of letters, digits, '.', '_' and '-'", c.Node)
	case c.Relay.TLS != "" && c.Relay.TLS != "none" && c.Relay.TLS != "opportunistic" && c.Relay.TLS != "required":
		return fmt.Errorf("relay.tls: %q is not none, opportunistic or required", c.Relay.TLS)
	case !slices.Contains([]string{"auto", "plain", "login", "xoauth2"}, c.Relay.Auth):
		return fmt.Errorf("relay.auth: %q is not auto, plain, login or xoauth2", c.Relay.Auth)
	case c.Relay.Username != "" && c.Relay.PasswordFile == "" && c.Relay.OAuthTokenURL == "":
		return errors.New("relay.password_file: required with relay.username")
	case (c.SMTP.Submission != "" || c.SMTP.Submissions != "") && (c.SMTP.CertFile == "" || c.SMTP.KeyFile == ""):
		return errors.New("smtp.tls_cert_file, smtp.tls_key_file: required, passwords travel only under TLS")
	case c.HTTP.Listen != "" && c.HTTP.CertFile == "" && !loopback(c.HTTP.Listen):
		return errors.New("http.tls_cert_file: required unless http.listen is a loopback address")
	}
	for name, n := range map[string]int64{
		"http.max_connections_per_source": int64(c.HTTP.MaxPerSource),
		"http.requests_per_minute":        int64(c.HTTP.RequestsPerMinute),
		"http.submissions_per_minute":     int64(c.HTTP.SubmissionsPerMinute),

		"smtp.max_size": int64(c.SMTP.MaxSize), "smtp.max_recipients": int64(c.SMTP.MaxRecipients),
		"smtp.max_connections": int64(c.SMTP.MaxConnections), "relay.per_destination": int64(c.Relay.PerDestination),
		"relay.greeting_timeout":          int64(c.Relay.GreetingTimeout),
		"smtp.max_connections_per_source": int64(c.SMTP.MaxPerSource),
		"queue.held_size":                 int64(c.Queue.HeldSize), "queue.held_count": int64(c.Queue.HeldCount),
		"queue.backlog_size": int64(c.Queue.BacklogSize), "queue.backlog_count": int64(c.Queue.BacklogCount),
		"smtp.max_commands": int64(c.SMTP.MaxCommands), "memory.messages": int64(c.Memory.Messages),
		"logins.per_source": int64(c.Logins.PerSource), "logins.per_account": int64(c.Logins.PerAccount),
		"queue.workers": int64(c.Queue.Workers), "queue.lease": int64(c.Queue.Lease),
		"queue.lifetime": int64(c.Queue.Lifetime), "queue.first_retry": int64(c.Queue.FirstRetry),
		"queue.max_retry": int64(c.Queue.MaxRetry), "queue.hold": int64(c.Queue.Hold),
	} {
		if n <= 0 {
			return fmt.Errorf("%s: must be positive; zero never means no limit", name)
		}
	}
	if c.Memory.Messages < c.SMTP.MaxSize*4/3+2<<20 { // as a body of the API, in base64
		return errors.New("memory.messages: smaller than one message of smtp.max_size in base64")
	}
	return nil
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	ip := net.ParseIP(host)
	return err == nil && (host == "localhost" || ip != nil && ip.IsLoopback())
}

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
