package smtpd

// door names this door in the log, in metrics and in the mail.
const door = "smtp"

// The events this room logs, and no others. Keys are those of the house, and
// cid for the connection: the same id stands in a reply that tells of an
// internal error. No subject, body, password or user name of a refused login
// is logged.
const (
	logAuth        = "auth"         // credentials were right
	logAuthRefused = "auth refused" // they were not
	logTLSRefused  = "tls refused"  // no handshake
	logReceived    = "received"     // the gate took a mail
	logRefused     = "refused"      // MAIL, RCPT or DATA
	logInternal    = "internal"     // the cause of a 451 or 454
	logPanic       = "panic"
	logAccept      = "accept" // a listener has a problem
)
