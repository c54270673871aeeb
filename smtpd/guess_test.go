package smtpd

import (
	"net"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/multimail/multimail/internal/throttle"
)

// The credentials of these tests, in base64 with their NULs.
const (
	rightLogin = "AUTH PLAIN AGRlbW8Ac2VjcmV0"
	wrongLogin = "AUTH PLAIN AGRlbW8Ad3Jvbmc="
)

// remoteConn is a connection from another address than loopback.
type remoteConn struct {
	net.Conn
	ip net.IP
}

func (a remoteConn) RemoteAddr() net.Addr { return &net.TCPAddr{IP: a.ip, Port: 1} }

// remoteListener is a listener whose clients come from an address that a test sets.
type remoteListener struct {
	net.Listener
	from chan string
}

func (l remoteListener) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return remoteConn{c, net.ParseIP(<-l.from)}, nil
}

// visits starts s and returns what connects to it from an address.
func visits(t *testing.T, s *Server, implicit bool) func(ip string) *peer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	from := make(chan string, 1)
	go func() { _ = s.Serve(remoteListener{l, from}, implicit) }()
	t.Cleanup(func() { l.Close() })
	return func(ip string) *peer {
		from <- ip
		return connect(t, l.Addr().String(), implicit)
	}
}

func TestOneSourceCannotTakeEveryConnection(t *testing.T) {
	o := options()
	o.MaxPerSource = 2
	srv, _ := build(t, o)
	visit := visits(t, srv, false)
	one, two := visit("2001:db8::1"), visit("2001:db8::2")
	one.expect("220")
	two.expect("220")
	visit("2001:db8::3").expect("421 4.3.2")
	visit("2001:db8:0:1::1").expect("220") // another /64
	for range 3 {
		visit("127.0.0.1").expect("220") // exempt
	}
	two.do("QUIT", "221")
	two.expect("")
	for sessions(srv) > 5 {
		runtime.Gosched()
	}
	visit("2001:db8::3").expect("220")
}

// After ten failed logins over many connections the source is refused for a
// minute; others are served, with the same account.
func TestFailedLoginsOfASourceCountOverConnections(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	o := options()
	o.Logins = throttle.NewLogins(10, 1000, func() time.Time { return now })
	srv, _ := build(t, o)
	visit := visits(t, srv, true)
	for range 5 {
		p := visit("192.0.2.1")
		p.expect("220")
		p.do("EHLO t", "250")
		p.do(wrongLogin, "535 5.7.8")
		p.do(wrongLogin, "535 5.7.8")
	}
	try := func(ip, login, want string) {
		t.Helper()
		p := visit(ip)
		p.expect("220")
		p.do("EHLO t", "250")
		p.do(login, want)
	}
	try("192.0.2.1", wrongLogin, "421 4.7.0 too many failed logins")
	try("192.0.2.1", rightLogin, "421 4.7.0 too many failed logins")
	try("192.0.2.2", wrongLogin, "535 5.7.8")
	try("192.0.2.2", rightLogin, "235")
	now = now.Add(time.Minute)
	try("192.0.2.1", rightLogin, "235")
}

// Wrong passwords for an account, from anywhere, loopback too, never lock out a
// client that has the right one.
func TestGuessingAtAnAccountDoesNotLockItsOwnerOut(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	o := options()
	o.Logins = throttle.NewLogins(10, 10, func() time.Time { return now })
	srv, _ := build(t, o)
	visit := visits(t, srv, true)
	try := func(ip, login, want string) {
		t.Helper()
		p := visit(ip)
		p.expect("220")
		p.do("EHLO t", "250")
		p.do(login, want)
		if want[0] == '4' {
			p.expect("")
		}
	}
	for range 10 {
		try("127.0.0.1", wrongLogin, "535 5.7.8")
	}
	for _, ip := range []string{"127.0.0.1", "192.0.2.1", "2001:db8::1"} {
		try(ip, wrongLogin, "421 4.7.0 too many failed logins")
		try(ip, rightLogin, "235")
	}
}

func TestRightLoginsAreNotLimited(t *testing.T) {
	srv, _ := build(t, options())
	visit := visits(t, srv, true)
	for range 30 {
		p := visit("192.0.2.1")
		p.login()
		p.do("QUIT", "221")
	}
}

// A blank after the mechanism is no response; what was never a credential is
// not counted as a refused one.
func TestWhatIsNoCredentialIsNoRefusedOne(t *testing.T) {
	for _, c := range []struct{ name, line, want, then string }{
		{"LOGIN and a blank", "AUTH LOGIN ", "334 VXNlcm5hbWU6", "*"},
		{"PLAIN and blanks", "AUTH PLAIN  ", "334 ", "*"},
		{"cancelled", "AUTH PLAIN", "334 ", "*"},
		{"an unknown mechanism", "AUTH CRAM-MD5", "504", ""},
		{"no mechanism", "AUTH ", "501", ""},
		{"bad base64", "AUTH PLAIN !!!", "501", ""},
		{"bad base64 in a response", "AUTH PLAIN", "334 ", "!!!"},
		{"a response without its NULs", "AUTH PLAIN eHh4", "501 5.5.2", ""},
		{"a response without its NULs, asked for", "AUTH PLAIN", "334 ", "eHh4"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := options()
			o.MaxAuth, o.AuthDelay = 1, time.Hour // one refused credential would end it, much later
			o.Logins = throttle.NewLogins(1, 1, nil)
			srv, _ := build(t, o)
			p := visits(t, srv, true)("192.0.2.1")
			p.expect("220")
			p.do("EHLO t", "250")
			for range 4 {
				p.do(c.line, c.want)
				if c.then != "" {
					p.do(c.then, "501")
				}
			}
			p.do(rightLogin, "235")
		})
	}
}

func TestABlankAfterLOGINDoesNotTakeTheUserName(t *testing.T) {
	srv, _ := build(t, options())
	p := dial(t, srv, true)
	p.expect("220")
	p.do("EHLO t", "250")
	p.do("AUTH LOGIN ", "334 VXNlcm5hbWU6")
	p.do("ZGVtbw==", "334 UGFzc3dvcmQ6")
	p.do("c2VjcmV0", "235")
}

// A client that has not logged in is disconnected in time, however often an octet
// comes: in the handshake, before AUTH and inside it.
func TestASlowClientDoesNotKeepAConnection(t *testing.T) {
	for _, c := range []struct {
		name   string
		secure bool // the session is set to be under TLS
		input  string
		drip   string
		within time.Duration
	}{
		{"in the TLS handshake", false, "", "\x16\x03\x01\x3f\xff\x01\x00\x3f\xfb\x03\x03", handshakeTime},
		{"before a command", true, "", "N", 2 * time.Minute},
		{"in commands", true, "EHLO t\r\n", "NOOP\r\n", 2 * time.Minute},
		{"inside AUTH", true, "EHLO t\r\nAUTH LOGIN\r\n", "Z", 2 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				srv, _ := build(t, options())
				a, b := net.Pipe()
				defer b.Close()
				conn := newConn(srv, a, !c.secure)
				if c.secure {
					conn.secure = true
					conn.forget()
				}
				start, ended := time.Now(), make(chan struct{})
				go func() { conn.serve(); close(ended) }()
				var client sync.WaitGroup
				client.Go(func() { // its output does not matter
					for buf := make([]byte, 4096); ; {
						if _, err := b.Read(buf); err != nil {
							return
						}
					}
				})
				client.Go(func() {
					_, err := b.Write([]byte(c.input))
					for i := 0; err == nil; i++ {
						piece := c.drip[i%len(c.drip) : i%len(c.drip)+1]
						if _, err = b.Write([]byte(piece)); err == nil {
							time.Sleep(time.Second)
						}
					}
				})
				<-ended
				if d := time.Since(start); d > c.within {
					t.Errorf("it stayed for %s", d)
				}
				client.Wait()
			})
		})
	}
}
