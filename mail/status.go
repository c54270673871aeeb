package mail

import (
	"strconv"
	"strings"
)

// Status is what became of a delivery in words of ours. What another server said is put
// into codes of closed lists and one of a few phrases, so that nothing of it that a
// stranger chose is left: neither its text nor a number that means nothing.
type Status struct {
	Code     int    // of an SMTP reply (RFC 5321, section 4.2.3), 0: none, or one that is not registered
	Enhanced string // registered by RFC 3463 or later; "" for none
	Phrase   string // what Enhanced, or else Code, means; never empty
}

// Status returns what the result says to whoever must not read the words of strangers.
func (r Result) Status() Status {
	s := Status{Enhanced: registered(r.Enhanced)}
	if _, known := replyPhrases[r.Code]; known {
		s.Code = r.Code
	}
	_, detail, _ := strings.Cut(s.Enhanced, ".")
	switch {
	case r.Delivered:
		s.Phrase = "taken by the next mail server"
	case detail != "" && detail != "0.0":
		s.Phrase = statusPhrases[detail]
	case s.Code != 0:
		s.Phrase = replyPhrases[s.Code]
	case r.Permanent:
		s.Phrase = "refused, and no reason was given"
	default:
		s.Phrase = "not delivered yet, and no reason was given"
	}
	return s
}

// String writes the codes, if there are any, and the phrase.
func (s Status) String() string {
	var words []string
	if s.Code != 0 {
		words = append(words, strconv.Itoa(s.Code))
	}
	if s.Enhanced != "" {
		words = append(words, s.Enhanced)
	}
	return strings.Join(append(words, s.Phrase), " ")
}

// registered returns an enhanced status code if it is one of the registered ones; any other
// becomes that of its subject, or that of its class.
func registered(code string) string {
	parts := strings.Split(EnhancedCode(code), ".")
	if len(parts) != 3 {
		return ""
	}
	for _, detail := range []string{parts[1] + "." + parts[2], parts[1] + ".0"} {
		if _, known := statusPhrases[detail]; known {
			return parts[0] + "." + detail
		}
	}
	return parts[0] + ".0.0"
}

// statusPhrases say what the subject and the detail of an enhanced status code mean: those
// that IANA lists (RFC 3463, 3886, 4468, 4865, 4954, 5248, 6710, 7293, 7372, 7505, 8616),
// without those of submission and of languages.
var statusPhrases = map[string]string{
	"0.0": "no reason was given",

	"1.0": "the address was refused", "1.1": "there is no such mailbox", "1.2": "there is no such mail system",
	"1.3": "the address is malformed", "1.4": "the address means several mailboxes",
	"1.5": "the address is valid", "1.6": "the mailbox has moved", "1.7": "the sender's address is malformed",
	"1.8": "the sender's mail system is not accepted", "1.9": "the mail went on to a system that sends no reports",
	"1.10": "the domain takes no mail",

	"2.0": "something is wrong with the mailbox", "2.1": "the mailbox is disabled", "2.2": "the mailbox is full",
	"2.3": "the mail is too large for the mailbox", "2.4": "the mailing list cannot be expanded",

	"3.0": "something is wrong with the mail system", "3.1": "the mail system is full",
	"3.2": "the mail system takes no mail for now", "3.3": "the mail system lacks what the mail needs",
	"3.4": "the mail is too large for the mail system", "3.5": "the mail system is configured wrongly",
	"3.6": "the requested priority was changed",

	"4.0": "something is wrong with the network or the route", "4.1": "the mail server does not answer",
	"4.2": "the connection broke", "4.3": "a name or a route could not be looked up", "4.4": "there is no route",
	"4.5": "the mail system is busy", "4.6": "the mail goes in a circle", "4.7": "the time for delivery is over",

	"5.0": "the mail servers misunderstood each other", "5.1": "a command was not accepted",
	"5.2": "a command was malformed", "5.3": "there are too many recipients", "5.4": "a command was malformed",
	"5.5": "the versions of the protocol differ", "5.6": "a login was too long",

	"6.0": "something in the mail was not accepted", "6.1": "a part of the mail is of a form that is not supported",
	"6.2": "the mail would have to be converted, which is forbidden", "6.3": "the mail would have to be converted",
	"6.4": "the mail was converted with loss", "6.5": "the mail could not be converted",
	"6.6": "the content of the mail could not be fetched", "6.7": "addresses in other scripts are not supported",
	"6.8": "addresses in other scripts are not supported", "6.9": "addresses in other scripts are not supported",
	"6.10": "addresses in other scripts are not supported",

	"7.0": "refused by a rule of the mail system", "7.1": "the sender may not send this mail there",
	"7.2": "the sender may not write to this mailing list", "7.3": "a secure conversion was not possible",
	"7.4": "a security feature is not supported", "7.5": "something cryptographic failed",
	"7.6": "a cryptographic method is not supported", "7.7": "the mail was changed on its way",
	"7.8": "the login was not accepted", "7.9": "the login was too weak", "7.10": "the connection must be encrypted",
	"7.11": "the login must be encrypted", "7.12": "the password must be changed", "7.13": "the account is disabled",
	"7.14": "a trust relationship is missing", "7.15": "the priority is too low",
	"7.16": "the mail is too large for its priority", "7.17": "the mailbox has another owner now",
	"7.18": "the domain has another owner now", "7.19": "whether the mailbox has another owner is not known",
	"7.20": "there is no good DKIM signature", "7.21": "no DKIM signature is acceptable",
	"7.22": "no DKIM signature is of the author's domain", "7.23": "SPF does not allow this server",
	"7.24": "SPF could not be evaluated", "7.25": "the address of the server has no name",
	"7.26": "the sender is not authenticated", "7.27": "the sender's domain takes no mail",
	"7.28": "too much mail of the same kind", "7.29": "ARC does not hold", "7.30": "REQUIRETLS cannot be honoured",
}

// replyPhrases are the replies of SMTP that refuse (RFC 5321, section 4.2.3; RFC 3207,
// RFC 4954, RFC 5248, RFC 7504), and those that take a mail.
var replyPhrases = map[int]string{
	250: "taken by the next mail server", 251: "taken by the next mail server", 252: "taken by the next mail server",
	421: "the mail server is not available", 432: "the password must be changed",
	450: "the mailbox is not available for now", 451: "a fault in the mail system", 452: "the mail system is full",
	454: "the login or encryption is not available for now", 455: "the parameters are not accepted for now",
	500: "a command was malformed", 501: "a command was malformed", 502: "a command is not implemented",
	503: "a command came out of order", 504: "a parameter is not implemented", 521: "the host takes no mail",
	523: "the login was not accepted", 530: "a login is needed", 534: "the login was too weak",
	535: "the login was not accepted", 538: "the connection must be encrypted",
	550: "the mailbox is not available, or the mail was refused", 551: "the mailbox is elsewhere",
	552: "the mailbox is full, or the mail too large", 553: "the address was refused",
	554: "the mail was refused", 555: "the parameters are not accepted", 556: "the domain takes no mail",
}
