package daemon

import "github.com/multimail/multimail/internal/config"

// Reload reads again what can be read again: certificates and their keys. Of
// every other setting that has changed in the file the log says that it needs a
// restart.
func (d *Daemon) Reload() {
	for _, c := range d.certificates {
		c.reload()
	}
	if d.o.File != "" {
		c, err := config.Read(d.o.File)
		if err != nil {
			d.o.Log.Error("configuration not reloaded; the one before stays", "err", err)
			return
		}
		if keys := d.o.Config.Changed(c); len(keys) > 0 {
			d.o.Log.Warn("changed settings need a restart", "settings", keys)
		}
	}
	d.o.Log.Info("reloaded", "certificates", len(d.certificates))
}
