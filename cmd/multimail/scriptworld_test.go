package main

import (
	"bytes"
	"net/textproto"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/multimail/multimail/internal/mailtest"
)

func scriptNextHop(ts *testscript.TestScript, _ bool, args []string) {
	s := scriptState(ts)
	s.hop = mailtest.NewNextHop(s.tb, mailtest.NextHopOptions{Faults: map[mailtest.Step]mailtest.Fault{
		mailtest.AtRCPT: {Reply: strings.Join(args, " ")}}}).Addr()
}

// scriptArrive speaks for itself: a library would refuse what strangers write.
func scriptArrive(ts *testscript.TestScript, _ bool, args []string) {
	c, err := textproto.Dial("tcp", ts.Getenv("INBOUND"))
	ts.Check(err)
	defer c.Close()
	say := func(code int, format string, args ...any) (said string) {
		if format != "" {
			ts.Check(c.PrintfLine(format, args...))
		}
		_, said, err := c.ReadResponse(code)
		ts.Check(err)
		return said
	}
	say(220, "")
	say(250, "EHLO mx.far.test")
	say(250, "MAIL FROM:<ada@far.test>")
	for _, to := range args[1:] {
		say(250, "RCPT TO:<%s>", to)
	}
	say(354, "DATA")
	w := c.DotWriter()
	_, err = w.Write([]byte(strings.NewReplacer("ESC", "\x1b", "\n", "\r\n").Replace(ts.ReadFile(args[0]))))
	ts.Check(err)
	ts.Check(w.Close())
	_, id, found := strings.Cut(say(250, ""), "taken as ")
	if !found {
		ts.Fatalf("the reply names no mail")
	}
	ts.Setenv("ID", strings.TrimSpace(id))
}

func scriptUntil(ts *testscript.TestScript, _ bool, args []string) {
	re := regexp.MustCompile("(?m)" + args[0])
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for range 3000 { // the daemon works beside the script
		var out bytes.Buffer
		if scriptRun(ts, &out, false, args[1:]); re.Match(out.Bytes()) {
			_, err := out.WriteTo(ts.Stdout())
			ts.Check(err)
			return
		}
		<-again.C
	}
	ts.Fatalf("stdout never has %s", args[0])
}
