//go:build !linux && !darwin && !freebsd

package httpd

import (
	"errors"
	"net"
)

// peerUID fails: this system has no way to tell that we know.
func peerUID(net.Conn) (int, error) {
	return -1, errors.New("httpd: the user at the other end of a socket is not known on this system")
}
