package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/secret"
)

type signingKeyCmd struct {
	List   signingKeyListCmd   `cmd:"" help:"List the keys that sign for a domain."`
	Rotate signingKeyRotateCmd `cmd:"" help:"Publish the next keys; they sign two days later."`
	Revoke signingKeyRevokeCmd `cmd:"" help:"Revoke a key."`
	Import signingKeyImportCmd `cmd:"" help:"Bring a private key along as the next one."`
}

type signingKeyListCmd struct {
	Domain string `arg:"" help:"Sending domain."`
}

func (s signingKeyListCmd) Run(e *environment) error {
	return list(e, api.ListSigningKeys, api.NameRef{Name: s.Domain}, signingKeys, signingKeyHead, signingKeyRow)
}

func signingKeys(all api.SigningKeys) []api.SigningKey { return all.Keys }

const signingKeyHead = "PURPOSE\tKEY\tALGORITHM\tSTATE\tSINCE\tNOTE"

func signingKeyRow(k api.SigningKey) []string {
	since, note := k.CreatedAt, k.Waits
	switch k.State {
	case "current":
		since = k.ActivatedAt
	case "retired":
		since = k.RetiredAt
	case "revoked":
		since, note = k.RevokedAt, k.Reason
	}
	if k.Token {
		note = strings.TrimSpace("in a token " + note)
	}
	return []string{k.Purpose, k.Key, k.Algorithm, k.State, short(since), note}
}

type signingKeyRotateCmd struct {
	Domain  string `arg:"" help:"Sending domain."`
	Purpose string `help:"identity or dkim; both if left out." enum:"identity,dkim," default:"" placeholder:"PURPOSE"`
	Now     bool   `help:"Revoke the keys that sign or are next at once. Only with --reason compromised."`
	Reason  string `help:"With --now: compromised." enum:"compromised," default:"" placeholder:"compromised"`
}

// Validate lets nobody skip the time that verifiers need without saying why.
func (s signingKeyRotateCmd) Validate() error {
	if s.Now != (s.Reason != "") {
		return errors.New("--now is for a key that somebody else may have: give it together with --reason compromised; " +
			"without it the next key is published and signs two days later")
	}
	return nil
}

func (s signingKeyRotateCmd) Run(e *environment) error {
	err := list(e, api.RotateSigningKeys,
		api.RotateKeys{NameRef: api.NameRef{Name: s.Domain}, Purpose: s.Purpose, Compromised: s.Now},
		signingKeys, signingKeyHead, signingKeyRow)
	if err != nil {
		return err
	}
	return e.note(s.Now)
}

// note says on stderr what has to be done now.
func (e *environment) note(compromised bool) error {
	text := "publish the records of `multimail domain records`; a DKIM key signs two days after its record was seen"
	if compromised {
		text = "nothing that the revoked keys signed counts any more; mail of the domain leaves again when the record of " +
			"the next DKIM key was seen: publish those of `multimail domain records` now"
	}
	_, err := e.stderr.Write([]byte("hint: " + text + "\n"))
	return err
}

type signingKeyRevokeCmd struct {
	Domain string `arg:"" help:"Sending domain."`
	Key    string `arg:"" help:"Its kid or selector."`
	Reason string `required:"" enum:"compromised,superseded,ceased" help:"One of ${enum}." placeholder:"REASON"`
}

func (s signingKeyRevokeCmd) Run(e *environment) error {
	return list(e, api.RevokeSigningKey, api.RevokeKey{NameRef: api.NameRef{Name: s.Domain}, Key: s.Key, Reason: s.Reason},
		signingKeys, signingKeyHead, signingKeyRow)
}

type signingKeyImportCmd struct {
	Domain   string `arg:"" help:"Sending domain."`
	File     string `arg:"" help:"PKCS #8 private key in PEM, mode 0600." type:"path"`
	Purpose  string `required:"" enum:"identity,dkim" help:"One of ${enum}." placeholder:"PURPOSE"`
	Selector string `help:"Of a DKIM key; the next number if left out." placeholder:"NAME"`
}

func (s signingKeyImportCmd) Run(e *environment) error {
	b, _, err := secret.Read(s.File)
	if err != nil {
		return err
	}
	err = list(e, api.ImportSigningKey, api.ImportKey{NameRef: api.NameRef{Name: s.Domain}, Purpose: s.Purpose,
		Selector: s.Selector, PEM: string(b)}, signingKeys, signingKeyHead, signingKeyRow)
	if err != nil {
		return err
	}
	return e.note(false)
}

type domainExportCmd struct {
	Name string `arg:"" help:"Domain."`
	Dir  string `arg:"" help:"Root of its web server; made if it is not there." type:"path"`
}

// writtenFile is a file that was written.
type writtenFile struct {
	Path string `json:"path"`
	Type string `json:"content_type"`
}

// Run writes what the web server of a domain publishes, each file whole or not at all.
func (d domainExportCmd) Run(e *environment) error {
	return e.withClient(func(c *api.Client) error {
		out, err := api.Call(e.ctx, c, api.ExportDomain, api.NameRef{Name: d.Name})
		if err != nil {
			return err
		}
		var done []writtenFile
		for _, f := range out.Files {
			if !filepath.IsLocal(filepath.FromSlash(f.Path)) { // --url may name anybody's server
				return errors.New("the daemon named a file outside of the directory")
			}
			path := filepath.Join(d.Dir, filepath.FromSlash(f.Path))
			if err := writePublic(path, f.Content); err != nil {
				return err
			}
			done = append(done, writtenFile{path, f.Type})
		}
		return printList(e, done, "FILE\tCONTENT-TYPE", func(x writtenFile) []string { return []string{x.Path, x.Type} })
	})
}

// writePublic puts a file that everybody may read in the place of what is there.
func writePublic(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Chmod(0o644), f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
