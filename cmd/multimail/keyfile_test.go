package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A key that others can read is a key that others hold.
func TestKeyAndPasswordFilesThatOthersCanReadAreRefused(t *testing.T) {
	s := setUp(t)
	for _, mode := range []os.FileMode{0o644, 0o640, 0o604, 0o620, 0o601} {
		if err := os.Chmod(s.key, mode); err != nil {
			t.Fatal(err)
		}
		s.approver("pending").want(t, exitFailed, s.key+" is open to others", "run: chmod 600 "+s.key)
	}
	config, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(filepath.Dir(s.config), "relay.password")
	if err := os.WriteFile(file, []byte("secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	s.write(string(config) + "username = \"u\"\npassword_file = \"" + file + "\"\n")
	call(t, "serve", "--config", s.config).want(t, exitFailed, "relay.password_file", "run: chmod 600 "+file)

	tlsKey := filepath.Join(filepath.Dir(s.config), "tls", "key.pem")
	s.write(string(config))
	if err := os.Chmod(tlsKey, 0o644); err != nil {
		t.Fatal(err)
	}
	call(t, "serve", "--config", s.config).want(t, exitFailed, "smtp.tls_cert_file", "run: chmod o-rwx "+tlsKey)
	if err := os.Chmod(tlsKey, 0o640); err != nil {
		t.Fatal(err)
	}
	keys, err := filepath.Glob(filepath.Join(s.data, "keys", "*", "identity.json"))
	if err != nil || len(keys) != 1 {
		t.Fatalf("%v, %v", keys, err)
	}
	if err := os.Chmod(keys[0], 0o640); err != nil {
		t.Fatal(err)
	}
	a := call(t, "serve", "--config", s.config).want(t, exitFailed, "run: chmod 600 "+keys[0])
	if strings.Contains(a.stderr, "panic") {
		t.Error(a.stderr)
	}
}

func TestServeNeverChangesTheModeOfADirectoryItDidNotMake(t *testing.T) {
	s := setUp(t)
	if err := os.Chmod(s.data, 0o750); err != nil {
		t.Fatal(err)
	}
	s.serve()
	s.cli("agent", "list").want(t, exitDone)
	if fi, err := os.Stat(s.data); err != nil || fi.Mode().Perm() != 0o750 {
		t.Errorf("%v, %v", fi.Mode(), err)
	}
}
