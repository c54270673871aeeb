package daemon

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"maps"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/multimail/multimail/audit"
	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/mailtest"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/internal/store/bolt"
	"github.com/multimail/multimail/internal/store/storetest"
	"github.com/multimail/multimail/mail"
)

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// initialised makes a data directory and returns a configuration for it.
func initialised(t *testing.T) config.Config {
	t.Helper()
	dir := t.TempDir()
	c := config.Default()
	c.Data = filepath.Join(dir, "data")
	_, err := Init(t.Context(), InitOptions{
		Data: c.Data, Node: c.Node, Operator: "Example", Domain: "example.test",
		Oversight: mail.MustAddress("boss@example.test"), Approver: "ann", Internal: true,
		SaveKey: func(string) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	mailtest.NewCA(t).Files(dir, "localhost")
	c.SMTP.CertFile, c.SMTP.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	c.SMTP.Submission, c.SMTP.Submissions, c.HTTP.Listen = "127.0.0.1:0", "", "127.0.0.1:0"
	c.Relay.Smarthost = "127.0.0.1:1"
	return c
}

func TestADaemonServesUntilItsContextEndsAndCanBeStartedAgain(t *testing.T) {
	c := initialised(t)
	for range 2 {
		d, err := New(Options{Config: c, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		at := d.Addresses()
		if at.Submission == "" || at.Submissions != "" || at.HTTP == "" || at.Socket != filepath.Join(c.Data, "admin.sock") {
			t.Errorf("it listens at %+v", at)
		}
		ctx, stop := context.WithCancel(t.Context())
		err = d.Run(ctx, func() error {
			defer stop()
			_, err := api.Call(ctx, api.Socket(at.Socket), api.GetAccount, api.None{})
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := d.Close(); err != nil {
			t.Errorf("a second close: %v", err)
		}
		if conn, err := net.Dial("tcp", at.HTTP); err == nil {
			conn.Close()
			t.Error("the API still listens")
		}
	}
}

// Who reads the log later learns which program decided; and whoever edited the
// file between two starts is found by a verification.
func TestAStartIsRecordedAndAnEditedSettingIsFound(t *testing.T) {
	c := initialised(t)
	warned := make(lines, 100)
	run := func(check func(*api.Client)) {
		d, err := New(Options{Config: c, Version: "v1.2", Log: slog.New(slog.NewTextHandler(warned, nil))})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		err = d.Run(ctx, func() error {
			defer stop()
			check(api.Socket(d.Addresses().Socket))
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	run(func(a *api.Client) {
		log, err := api.Call(t.Context(), a, api.GetAuditLog, api.AuditQuery{})
		if err != nil || len(log.Entries) == 0 {
			t.Fatalf("%+v %v", log, err)
		}
		if e := log.Entries[0]; e.Kind != "store.start" || e.Facts["version"] != "v1.2" {
			t.Errorf("the newest entry is %+v", e)
		}
		if r, err := api.Call(t.Context(), a, api.VerifyAuditLog, api.None{}); err != nil || !r.OK || r.Settings == 0 {
			t.Errorf("%+v %v", r, err)
		}
	})
	db, err := bolt.Open(bolt.Options{Dir: c.Data})
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(t.Context(), func(tx store.Tx) error {
		o, err := storetest.Records(tx).Get("registry/operator")
		if err != nil {
			return err
		}
		return storetest.Records(tx).Put("registry/operator", bytes.ReplaceAll(o, []byte("boss@"), []byte("eve@")))
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	run(func(a *api.Client) {
		r, err := api.Call(t.Context(), a, api.VerifyAuditLog, api.None{})
		if err != nil || r.OK || !strings.Contains(r.Error, "oversight address of the operator") {
			t.Errorf("%+v %v", r, err)
		}
		if !warned.have("settings differ from the audit log") {
			t.Error("the start reports nothing")
		}
	})
}

// lines is a log that drops what nobody reads.
type lines chan string

// have waits for a line with a text in it.
func (l lines) have(text string) bool {
	for over := time.After(time.Minute); ; {
		select {
		case line := <-l:
			if strings.Contains(line, text) {
				return true
			}
		case <-over:
			return false
		}
	}
}

func (l lines) Write(b []byte) (int, error) {
	select {
	case l <- string(b):
	default:
	}
	return len(b), nil
}

func TestAnErrorWhileStartingEndsTheDaemon(t *testing.T) {
	c := initialised(t)
	d, err := New(Options{Config: c, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	full := errors.New("stdout is full")
	if err := d.Run(t.Context(), func() error { return full }); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
	d, err = New(Options{Config: c, Log: quiet})
	if err != nil {
		t.Fatalf("the directory is still open: %v", err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("a daemon that never ran: %v", err)
	}
}

func TestNewClosesEverythingWhenItFails(t *testing.T) {
	c := initialised(t)
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for name, spoil := range map[string]func(*config.Config){
		"smtp.submission: ":     func(c *config.Config) { c.SMTP.Submission = taken.Addr().String() },
		"smtp.tls_cert_file: ":  func(c *config.Config) { c.SMTP.CertFile = "/nowhere" },
		"smtp.client_ca_file: ": func(c *config.Config) { c.SMTP.ClientCAFile = c.SMTP.KeyFile },
		"smtp.max_recipients: ": func(c *config.Config) { c.SMTP.MaxRecipients = 0 },
		"relay.ca_file: ":       func(c *config.Config) { c.Relay.CAFile = "/nowhere" },
		"relay: hostname":       func(c *config.Config) { c.SMTP.Hostname = "not a name" },
	} {
		bad := c
		spoil(&bad)
		if _, err := New(Options{Config: bad, Log: quiet}); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s got %v", name, err)
		}
		d, err := New(Options{Config: c, Log: quiet})
		if err != nil {
			t.Fatalf("%s then a good one: %v", name, err)
		}
		d.Close()
	}
}

func TestADirectoryThatIsNotThereComesWithAHint(t *testing.T) {
	c := initialised(t)
	c.Data += "-lost"
	_, err := New(Options{Config: c, Log: quiet})
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "multimail init --data "+c.Data) {
		t.Errorf("got %v", err)
	}
}

// Everything that dev.json says must be true while the daemon runs, and what it
// wrote down must work after a restart.
func TestTheDevModeKeepsItsCredentials(t *testing.T) {
	data := filepath.Join(t.TempDir(), "dev")
	var before DevInfo
	for i := range 2 {
		d, err := NewDev(DevOptions{Data: data, FreePorts: true, Log: quiet})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		err = d.Run(ctx, func() error {
			defer stop()
			info, found, err := ReadDev(data)
			if err != nil || !found {
				t.Errorf("dev.json: %v, %v", found, err)
			}
			if i > 0 && (info.Password != before.Password || info.AgentKey != before.AgentKey ||
				info.AdminKey != before.AdminKey) {
				t.Error("a restart changed the credentials")
			}
			before = info
			who, err := api.Call(ctx, api.New(info.HTTP, info.AgentKey), api.Whoami, api.None{})
			if err == nil && who.Kind != "agent" {
				t.Errorf("the key is one of %+v", who)
			}
			admin, adminErr := api.Call(ctx, api.New(info.HTTP, info.AdminKey), api.Whoami, api.None{})
			if adminErr == nil && admin.Kind != "admin" {
				t.Errorf("the admin's key is one of %+v", admin)
			}
			return errors.Join(err, adminErr)
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestTheDevModeSaysWhatToDoWhenItsPortsAreTaken(t *testing.T) {
	l, err := net.Listen("tcp", devPorts.submissions)
	if err == nil {
		defer l.Close()
	}
	_, err = NewDev(DevOptions{Data: filepath.Join(t.TempDir(), "dev"), Log: quiet})
	var h interface{ Hint() string }
	if !errors.As(err, &h) || !strings.Contains(h.Hint(), "--ports auto") {
		t.Errorf("got %v", err)
	}
}

// A start writes the secret of logins once, and needs no write where it is there.
func TestPreparingLoginsWritesOnce(t *testing.T) {
	db := storetest.NewMemory(time.Unix(1_700_000_000, 0))
	r := registry.New(audit.New("node"), time.Hour)
	if err := prepare(t.Context(), db, r.Prepare); err != nil {
		t.Fatal(err)
	}
	before := db.All()
	db.Fail = 1
	err := prepare(t.Context(), db, r.Prepare)
	if err != nil || len(before) != 1 || !maps.EqualFunc(before, db.All(), bytes.Equal) {
		t.Errorf("%v; %d records before", err, len(before))
	}
}
