package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/sign"
)

type verifyCmd struct {
	File        string `arg:"" help:"Mail file; - for standard input."`
	KeyDocument string `help:"Key document to use instead of the issuer's." type:"path" placeholder:"FILE"`
}

// fetchTime bounds the fetch of a key document.
const fetchTime = 10 * time.Second

// Run checks the header against the issuer's key document: that of a file, of
// the local daemon when it serves the issuer's domain, or the published one.
func (v verifyCmd) Run(e *environment) error {
	eml, err := v.read(e.in)
	if err != nil {
		return err
	}
	if !bytes.Contains(eml, []byte("\r\n")) { // a file as many programs save it
		eml = bytes.ReplaceAll(eml, []byte("\n"), []byte("\r\n"))
	}
	r := sign.Verify(eml, func(iss, _ string) ([]byte, error) { return v.document(e, iss) })
	err = e.print(r, func() error {
		if err := e.line("%s", r.Status); err != nil {
			return err
		}
		for _, c := range r.Checks {
			mark := map[bool]string{true: "ok", false: "FAILED"}[c.OK]
			if err := e.line("  %-14s %-6s %s", c.Name, mark, printable(c.Detail)); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil && r.Status != sign.Valid {
		err = fmt.Errorf("the identity header is %s", r.Status)
	}
	return err
}

func (v verifyCmd) read(in io.Reader) ([]byte, error) {
	if v.File == "-" {
		return io.ReadAll(in)
	}
	return os.ReadFile(v.File)
}

func (v verifyCmd) document(e *environment, iss string) ([]byte, error) {
	if v.KeyDocument != "" {
		return os.ReadFile(v.KeyDocument)
	}
	u, err := url.Parse(iss)
	if err != nil || u.Scheme != "https" || u.Host == "" || u.Path != "" {
		return nil, errors.New("the issuer is not an https origin")
	}
	if doc, err := e.localDocument(u.Host); err == nil {
		return doc, nil
	}
	ctx, cancel := context.WithTimeout(e.ctx, fetchTime)
	defer cancel()
	return api.New(iss, "").SigningKey(ctx)
}

// localDocument asks the local daemon, if it has that domain: its mail can be
// checked before anything is published.
func (e *environment) localDocument(domain string) ([]byte, error) {
	path, err := socketPath(e.globals.Data)
	if err != nil {
		return nil, err
	}
	c := api.Socket(path)
	if _, err := c.Domain(e.ctx, strings.ToLower(domain)); err != nil {
		return nil, err
	}
	c.Base = "http://" + domain
	return c.SigningKey(e.ctx)
}
