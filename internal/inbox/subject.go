package inbox

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// answerWords are what mail programs write before the subject of an answer or of mail
// that is passed on, in lower case. The list is closed: any other word belongs to the
// subject.
var answerWords = func() map[string]bool {
	out := map[string]bool{}
	for w := range strings.FieldsSeq(`re fwd fw
		aw antw antwort wg doorst sv vs vb vl vá res resp réf ref rép rep tr rv rif enc i r
		odp pd yt ynt ilt bls trs hal fwdd ats atb răsp
		отв ответ пер απ απάντηση σχετ προώθ השב הועבר رد 回复 答复 回覆 轉寄 转发 轉發 返信 転送 답장 회신 전달`) {
		out[w] = true
	}
	return out
}()

// maxAnswerWords bounds how many of them are taken off.
const maxAnswerWords = 50

// BaseSubject returns a subject without the words of answers before it, with blanks and
// case folded, and whether there was such a word. An empty base compares with nothing.
func BaseSubject(s string) (base string, answer bool) {
	s = strings.ToLower(strings.Join(strings.Fields(s), " "))
	for range maxAnswerWords {
		rest, ok := cutAnswerWord(s)
		if !ok {
			break
		}
		s, answer = rest, true
	}
	return s, answer
}

// cutAnswerWord takes one word of an answer off: the word, perhaps a number as in
// "Re[2]:" or "Re (2):", and a colon, of any width.
func cutAnswerWord(s string) (rest string, ok bool) {
	at := strings.IndexAny(s, ":：")
	if at < 0 {
		return s, false
	}
	word := strings.TrimSpace(s[:at])
	if i := strings.IndexAny(word, "[(^"); i > 0 {
		number := strings.Trim(word[i:], "[]()^")
		if number == "" || strings.TrimFunc(number, unicode.IsDigit) != "" {
			return s, false
		}
		word = strings.TrimSpace(word[:i])
	}
	if !answerWords[word] {
		return s, false
	}
	_, size := utf8.DecodeRuneInString(s[at:])
	return strings.TrimSpace(s[at+size:]), true
}
