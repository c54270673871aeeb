package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/multimail/multimail/internal/config"
	"github.com/multimail/multimail/internal/daemon"
	"github.com/multimail/multimail/internal/mailtest"
)

var update = flag.Bool("update", false, "rewrite the expected output in testdata/script")

// The scripts run the command line in this process, against a daemon that runs
// here too. Beside the commands of testscript they have:
//
//	multimail ARGS      a command line; ! in front of it: it fails
//	status N            its exit status was N
//	answer TEXT         what the next command line reads from a terminal
//	daemon dev|FILE     serve --dev, or a daemon with a configuration, in $MULTIMAIL_DATA
//	nexthop REPLY       the next daemon has a smarthost that answers RCPT so
//	submit FILE TO...   submit a message as $SMTP_USERNAME
//	arrive FILE TO...   bring a message from the world; $ID is its id
//	until RE ARGS       repeat a command line until its stdout matches
//	capture NAME RE     set a variable to the group of RE in stdout
//	shape               replace the values of the JSON in stdout by their types
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:           "testdata/script",
		UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Setenv("MULTIMAIL_DATA", filepath.Join(e.WorkDir, "data"))
			e.Values[scriptKey{}] = &script{tb: t}
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"multimail": scriptMultimail, "status": scriptStatus, "answer": scriptAnswer, "daemon": scriptDaemon,
			"nexthop": scriptNextHop, "submit": scriptSubmit, "arrive": scriptArrive, "until": scriptUntil,
			"capture": scriptCapture, "shape": scriptShape,
		},
	})
}

type scriptKey struct{}

// script is what a script remembers.
type script struct {
	tb     testing.TB
	code   int    // of the last command line
	answer string // what the next one reads from a terminal
	hop    string // smarthost of the next daemon, if not that of its configuration
}

func scriptState(ts *testscript.TestScript) *script { return ts.Value(scriptKey{}).(*script) }

func scriptMultimail(ts *testscript.TestScript, neg bool, args []string) {
	scriptRun(ts, ts.Stdout(), neg, args)
}

func scriptRun(ts *testscript.TestScript, out io.Writer, neg bool, args []string) {
	s := scriptState(ts)
	asked := s.answer != ""
	e := &environment{ctx: context.Background(), in: strings.NewReader(s.answer), out: out, stderr: ts.Stderr(),
		asks: func(any) bool { return asked }, getenv: ts.Getenv}
	s.code, s.answer = e.run(args), ""
	if neg != (s.code != exitDone) {
		ts.Fatalf("exit status %d", s.code)
	}
}

func scriptStatus(ts *testscript.TestScript, _ bool, args []string) {
	if s := scriptState(ts); len(args) != 1 || strconv.Itoa(s.code) != args[0] {
		ts.Fatalf("exit status %d, want %s", s.code, args)
	}
}

func scriptAnswer(ts *testscript.TestScript, _ bool, args []string) {
	scriptState(ts).answer = strings.Join(args, " ") + "\n"
}

func scriptCapture(ts *testscript.TestScript, _ bool, args []string) {
	m := regexp.MustCompile(args[1]).FindStringSubmatch(ts.ReadFile("stdout"))
	if len(m) != 2 {
		ts.Fatalf("no %s in stdout", args[1])
	}
	ts.Setenv(args[0], m[1])
}

// scriptDaemon starts a daemon that ends with the script: that of the dev mode by
// its command line, one with a configuration without.
func scriptDaemon(ts *testscript.TestScript, _ bool, args []string) {
	ctx, stop := context.WithCancel(context.Background())
	ready, ended := make(chan struct{}), make(chan error, 1)
	if args[0] == "dev" {
		welcome := &announcement{w: ts.Stdout(), last: "\n\n", ready: ready}
		e := &environment{ctx: ctx, in: strings.NewReader(""), out: welcome, stderr: io.Discard,
			asks: func(any) bool { return false }, getenv: ts.Getenv}
		go func() {
			if code := e.run([]string{"serve", "--dev", "--ports", "auto"}); code != exitDone {
				ended <- fmt.Errorf("exit status %d", code)
			}
			close(ended)
		}()
	} else {
		d := configured(ts, args[0])
		go func() { ended <- d.Run(ctx, func() error { close(ready); return nil }) }()
	}
	ts.Defer(func() {
		stop()
		ts.Check(<-ended)
	})
	select {
	case <-ready:
	case err := <-ended:
		ended = nil
		ts.Fatalf("the daemon ended: %v", err)
	}
	if info, found, err := daemon.ReadDev(ts.Getenv("MULTIMAIL_DATA")); found {
		ts.Check(err)
		ts.Setenv("SMTP_TLS_PORT", portOf(ts, info.Submissions))
	}
}

// configured returns a daemon of a configuration in the script, with the data
// directory and the certificate that only the test knows.
func configured(ts *testscript.TestScript, file string) *daemon.Daemon {
	dir := filepath.Join(ts.Getenv("WORK"), "tls")
	mailtest.NewCA(scriptState(ts).tb).Files(dir, "localhost")
	c, err := config.Parse(file, ts.ReadFile(file))
	ts.Check(err)
	c.Data = ts.Getenv("MULTIMAIL_DATA")
	c.SMTP.CertFile, c.SMTP.KeyFile = filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	if hop := scriptState(ts).hop; hop != "" {
		c.Relay.Smarthost = hop
	}
	d, err := daemon.New(daemon.Options{Config: c, Log: slog.New(slog.DiscardHandler)})
	ts.Check(err)
	ts.Setenv("SMTP_TLS_PORT", portOf(ts, d.Addresses().Submissions))
	ts.Setenv("INBOUND", d.Addresses().Inbound)
	return d
}

func portOf(ts *testscript.TestScript, addr string) string {
	_, port, err := net.SplitHostPort(addr)
	ts.Check(err)
	return port
}

// announcement closes ready when a text that ends in last was written.
type announcement struct {
	w     io.Writer
	last  string
	ready chan struct{}
}

func (a *announcement) Write(b []byte) (int, error) {
	n, err := a.w.Write(b)
	if strings.HasSuffix(string(b), a.last) {
		close(a.ready)
	}
	return n, err
}

func scriptSubmit(ts *testscript.TestScript, _ bool, args []string) {
	c, err := smtp.DialTLS("127.0.0.1:"+ts.Getenv("SMTP_TLS_PORT"), &tls.Config{InsecureSkipVerify: true})
	ts.Check(err)
	defer c.Close()
	ts.Check(c.Auth(sasl.NewPlainClient("", ts.Getenv("SMTP_USERNAME"), ts.Getenv("SMTP_PASSWORD"))))
	eml := strings.ReplaceAll(ts.ReadFile(args[0]), "\n", "\r\n")
	ts.Check(c.SendMail(ts.Getenv("SMTP_FROM"), args[1:], strings.NewReader(eml)))
}

func scriptShape(ts *testscript.TestScript, _ bool, _ []string) {
	var v any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &v))
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetIndent("", "  ")
	ts.Check(enc.Encode(shape(v)))
	_, err := b.WriteTo(ts.Stdout())
	ts.Check(err)
}

// shape returns a JSON value with the names of its members and, for each value,
// its type; of an array the first element.
func shape(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k := range x {
			x[k] = shape(x[k])
		}
		return x
	case []any:
		if len(x) == 0 {
			return x
		}
		return []any{shape(x[0])}
	case string:
		return "string"
	case float64:
		return "number"
	case bool:
		return "bool"
	}
	return v
}
