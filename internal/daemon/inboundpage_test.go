package daemon

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"net"
	"net/textproto"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/multimail/multimail/internal/config"
)

var setUp = regexp.MustCompile("(?s)```toml\n# ([^\n]*)\n(.*?)```")

// The set-ups of docs/inbound.md, as they stand there but for what a test cannot have:
// the ports, the files, and an address that is not on this machine. Each takes mail from
// a stranger where it says so, and knows the server in front by its proof.
func TestTheSetUpsOfThePageTakeMail(t *testing.T) {
	page, err := os.ReadFile("../../docs/inbound.md")
	if err != nil {
		t.Fatal(err)
	}
	hops := map[string]string{ // set-up: the server in front, by its configured name
		"MX of agents.example.com": "", "outgoing only, with a bounce subdomain": "",
		"behind a gateway with a certificate": "gateway", "behind Exchange Online": "exchange-online",
		"behind Postfix, over LMTP": "lmtp", "behind a gateway in a private network": "gateway",
	}
	seen := 0
	for _, m := range setUp.FindAllStringSubmatch(string(page), -1) {
		hop, known := hops[m[1]]
		if !known {
			t.Errorf("the set-up %q is not tested", m[1])
		}
		seen++
		t.Run(m[1], func(t *testing.T) {
			c, err := config.Parse("page", m[2])
			if err != nil {
				t.Fatal(err)
			}
			useSetUp(t, moved(t, c), hop)
		})
	}
	if seen != len(hops) {
		t.Errorf("the page has %d set-ups, %d are tested", seen, len(hops))
	}
}

// moved brings the configuration of a page to this machine.
func moved(t *testing.T, c config.Config) config.Config {
	t.Helper()
	here := initialised(t)
	c.Data, c.Relay.Smarthost, c.HTTP.Listen = here.Data, here.Relay.Smarthost, "127.0.0.1:0"
	c.DNS.Resolver = []string{zoneServer(t, func() string { return "" })}
	if c.SMTP.CertFile != "" {
		c.SMTP.CertFile, c.SMTP.KeyFile = here.SMTP.CertFile, here.SMTP.KeyFile
		c.SMTP.Submission, c.SMTP.Submissions = "127.0.0.1:0", "127.0.0.1:0"
	}
	if c.Inbound.Listen != "" {
		c.Inbound.Listen = "127.0.0.1:0"
	}
	if c.Inbound.LMTP != "" {
		c.Inbound.LMTP = "unix:" + filepath.Join(t.TempDir(), "lmtp.sock")
	}
	for i := range c.Inbound.Trusted {
		c.Inbound.Trusted[i].Ranges = []string{"127.0.0.0/8"}
		if len(c.Inbound.Trusted[i].Certificates) > 0 {
			sum := sha256.Sum256(clientCertificate(t, c).Certificate[0])
			c.Inbound.Trusted[i].Certificates = []string{hex.EncodeToString(sum[:])}
		}
	}
	return c
}

// clientCertificate is one that the server in front has.
func clientCertificate(t *testing.T, c config.Config) tls.Certificate {
	t.Helper()
	pair, err := tls.LoadX509KeyPair(c.SMTP.CertFile, c.SMTP.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

// useSetUp sends a mail as a stranger, or as who has no proof, and then one with it.
func useSetUp(t *testing.T, c config.Config, hop string) {
	running(t, c, func(d *Daemon) {
		at := d.Addresses()
		if at.LMTP != "" {
			got := deliver(t, "unix", at.LMTP, "bot@example.test")
			if !slices.Equal(got, []string{"250 2.1.5", "250 2.0.0"}) {
				t.Errorf("over LMTP: %v", got)
			}
			hopsOf(t, d, hop)
			return
		}
		got := deliver(t, "tcp", at.Inbound, "bot@example.test", "x@far.test")
		if !slices.Equal(got, []string{"250 2.1.5", "550 5.7.1", "250 2.0.0"}) {
			t.Errorf("a stranger: %v", got)
		}
		if len(c.Inbound.Trusted) == 0 {
			hopsOf(t, d, "")
			return
		}
		rule := c.Inbound.Trusted[0]
		switch rule.Proof {
		case "private":
			hopsOf(t, d, hop)
			return
		case "header":
			field := rule.Header + ": " + rule.Value + "\r\n"
			deliverText(t, "tcp", at.Inbound, field+fromFar, "bot@example.test")
			deliverText(t, "tcp", at.Inbound, field+field+fromFar, "bot@example.test")
			hopsOf(t, d, "", hop, "")
			return
		}
		secure := func(conf *tls.Config) {
			nc, err := net.Dial("tcp", at.Inbound)
			if err != nil {
				t.Fatal(err)
			}
			defer nc.Close()
			before := textproto.NewConn(nc)
			before.ReadResponse(220)
			for _, line := range []string{"EHLO gateway.example.com", "STARTTLS"} {
				before.PrintfLine("%s", line)
				if _, _, err := before.ReadResponse(2); err != nil {
					t.Fatal(err)
				}
			}
			converse(t, tls.Client(nc, conf), "EHLO", fromFar, "bot@example.test")
		}
		secure(&tls.Config{InsecureSkipVerify: true})
		secure(&tls.Config{InsecureSkipVerify: true, Certificates: []tls.Certificate{clientCertificate(t, c)}})
		hopsOf(t, d, hop, "", "")
	})
}

// hopsOf compares the hops of the mails that came in, the newest first.
func hopsOf(t *testing.T, d *Daemon, want ...string) {
	t.Helper()
	var got []string
	for _, m := range cameIn(t, d, "bot@example.test") {
		got = append(got, m.Arrival.Hop)
	}
	if !slices.Equal(got, want) {
		t.Errorf("hops %q, want %q", strings.Join(got, ", "), strings.Join(want, ", "))
	}
}
