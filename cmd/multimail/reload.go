package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/multimail/multimail/internal/config"
)

// reloadOnHangup reads again on SIGHUP what can be read again, until ctx ends:
// certificates and their keys. Of every other setting that has changed in the
// file the log says that it needs a restart.
func (d *daemon) reloadOnHangup(ctx context.Context, path string, running config.Config) {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	go func() {
		defer signal.Stop(hangup)
		for {
			select {
			case <-ctx.Done():
				return
			case <-hangup:
				d.reload(path, running)
			}
		}
	}()
}

func (d *daemon) reload(path string, running config.Config) {
	for _, c := range d.s.certificates {
		c.reload()
	}
	c, err := config.Read(path)
	if err != nil {
		d.s.log.Error("configuration not reloaded; the one before stays", "err", err)
		return
	}
	if keys := running.Changed(c); len(keys) > 0 {
		d.s.log.Warn("changed settings need a restart", "settings", keys)
	}
	d.s.log.Info("reloaded", "certificates", len(d.s.certificates))
}
