package smtpd

// door names this door in the log, in metrics and in the mail.
const door = "smtp"

// The events this package logs, and no others. Keys are those of every package,
// and cid for the connection: the reply to an internal error has the same id.
// No subject, body, password or user name of a refused login is logged.
const (
	logAuth        = "auth"         // credentials were right
	logAuthRefused = "auth refused" // they were not
	logTLSRefused  = "tls refused"  // the handshake failed
	logReceived    = "received"     // the gate took a mail
	logRefused     = "refused"      // MAIL, RCPT or DATA
	logInternal    = "internal"     // the cause of a 451 or 454
	logPanic       = "panic"
	logAccept      = "accept" // a listener has a problem
)
