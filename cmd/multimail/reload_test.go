package main

import (
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// until polls for what another goroutine does.
func until(t *testing.T, what string, done func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("never: %s", what)
		}
	}
}

func TestAHangupReloadsWhatItCanAndNamesWhatItCannot(t *testing.T) {
	s := setUp(t)
	log := s.serve()
	hangUp := func() {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	config, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	s.certificate()
	s.write(strings.Replace(string(config), "[smtp]", "[smtp]\nmax_recipients = 7", 1))
	hangUp()
	until(t, "reloaded", func() bool { return strings.Contains(log.String(), `"msg":"reloaded"`) })
	for _, want := range []string{`"msg":"certificate reloaded"`, `"settings":["smtp.max_recipients"]`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("no %s in\n%s", want, log)
		}
	}
	s.write("nonsense")
	hangUp()
	until(t, "an error", func() bool { return strings.Contains(log.String(), "configuration not reloaded") })
	s.cli("agent", "list").want(t, exitDone)
}
