package message

import (
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/multimail/multimail/mail"
)

// Bounds of the header of an answer, in octets.
const (
	maxReplySubject    = 900
	maxReplyReferences = 4000
)

// replyWords are what mail programs write before the subject of an answer, in lower
// case, without the colon. Words of mail that is passed on are none of them: they say
// what the answered mail was.
var replyWords = set("re aw antw antwort sv vs vá res resp réf ref rép rif r odp yt ynt ilt bls hal ats atb răsp " +
	"отв ответ απ απάντηση השב رد 回复 答复 回覆 返信 답장 회신")

// ReplySubject returns the subject of an answer to a mail with this subject, as mail
// programs do: one "Re: " in the place of all the words of answers before it, whatever
// their language or number ("AW:", "Re[2]:", "回复："). Controls are blanks, and a
// subject that is too long is cut.
func ReplySubject(subject string) string {
	s := strings.Join(strings.FieldsFunc(strings.ToValidUTF8(subject, ""), func(c rune) bool {
		return unicode.IsSpace(c) || mail.IsControl(c)
	}), " ")
	for range 50 {
		rest, ok := cutReplyWord(s)
		if !ok {
			break
		}
		s = rest
	}
	if len(s) > maxReplySubject {
		s = strings.ToValidUTF8(s[:maxReplySubject], "") + "…"
	}
	return strings.TrimSpace("Re: " + s)
}

// cutReplyWord takes one word of an answer off, with a number in brackets behind it
// and a colon of any width.
func cutReplyWord(s string) (rest string, ok bool) {
	at := strings.IndexAny(s, ":：")
	if at < 0 {
		return s, false
	}
	word := s[:at]
	if i := strings.IndexAny(word, "[(^"); i > 0 {
		number := strings.Trim(word[i:], "[]()^")
		if number == "" || strings.TrimFunc(number, unicode.IsDigit) != "" {
			return s, false
		}
		word = word[:i]
	}
	if !replyWords[strings.ToLower(strings.TrimSpace(word))] {
		return s, false
	}
	_, n := utf8.DecodeRuneInString(s[at:])
	return strings.TrimSpace(s[at+n:]), true
}

// ReplyReferences returns the values of In-Reply-To and References of an answer (RFC
// 5322, section 3.6.4): the mail it answers, and behind the thread of that mail the
// mail itself. Ids that no header may hold are left out, and of a long thread those
// between its first and its newest. A mail without an id of its own is named nowhere.
func ReplyReferences(h mail.Header) (inReplyTo string, references []string) {
	if !isID(h.MessageID) {
		return "", nil
	}
	thread := h.References
	if len(thread) == 0 && h.InReplyTo != "" {
		thread = []string{h.InReplyTo}
	}
	seen := map[string]bool{h.MessageID: true}
	for _, id := range thread {
		if isID(id) && !seen[id] {
			seen[id] = true
			references = append(references, id)
		}
	}
	references = append(references, h.MessageID)
	for octets(references) > maxReplyReferences && len(references) > 2 {
		references = append(references[:1], references[2:]...)
	}
	return h.MessageID, references
}

// isID reports whether a Message-ID without brackets may stand in a header.
func isID(id string) bool {
	return id != "" && len(id) < maxMessageID && parseMessageID("<"+id+">") != ""
}

func octets(list []string) (n int) {
	for _, s := range list {
		n += len(s) + 3
	}
	return n
}

// Quote returns a text as mail programs quote it: a line that says whose it is, and
// every line of it behind "> ". At most limit octets of the text are quoted, the rest
// is left out and said to be.
func Quote(text, who string, at time.Time, limit int) string {
	cut := len(text) > limit
	if cut {
		text = strings.ToValidUTF8(text[:limit], "")
	}
	var b strings.Builder
	fmt.Fprintf(&b, "On %s, %s wrote:\n\n", at.UTC().Format("Mon, 2 Jan 2006 at 15:04 MST"), mail.NeutralLine(who))
	for line := range strings.SplitSeq(strings.TrimSpace(text), "\n") {
		b.WriteString(strings.TrimRight("> "+line, " \r") + "\n")
	}
	if cut {
		b.WriteString("> […]\n")
	}
	return b.String()
}
