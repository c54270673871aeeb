package relay

import (
	"context"
	"errors"
)

// Probe opens a connection to the smarthost as an attempt would, up to the login,
// and ends it without a mail. host is "" where mail goes by MX: there is no host to
// ask before there is a mail.
func (c *Client) Probe(ctx context.Context) (host string, secure bool, err error) {
	if c.o.Smarthost == "" {
		return "", false, nil
	}
	hops, f := c.route(ctx, "")
	if f != nil {
		return c.o.Smarthost, false, errors.New(f.Message)
	}
	s, f := c.reach(ctx, hops, false)
	if f != nil {
		return c.o.Smarthost, false, errors.New(f.Message)
	}
	secure = s.secure
	s.quit()
	s.unwatch()
	s.drop()
	return c.o.Smarthost, secure, nil
}
