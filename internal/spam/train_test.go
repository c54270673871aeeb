package spam

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/multimail/multimail/mail"
)

func trainer(t *testing.T, talk func(net.Conn)) (*Trainer, Options) {
	t.Helper()
	o := options(KindRspamd, "", talk)
	tr, err := NewTrainer(o, "http://127.0.0.1:11334", "word", func(_ context.Context, id mail.ID) ([]byte, error) {
		if id == "gone" {
			return nil, errors.New("erased")
		}
		return []byte(plainMail), nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tr, o
}

func TestTheControllerLearnsWhatAnApproverSays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		tr, o := trainer(t, func(c net.Conn) {
			got = append(got, readRequest(c))
			answersNow(c, jsonHeader+`{"success":true}`)
		})
		ctx, cancel := context.WithCancel(t.Context())
		go tr.Run(ctx)
		tr.Learn("01JDM0000000000000000000AA", true)
		tr.Learn("01JDM0000000000000000000AB", false)
		synctest.Wait()
		cancel()
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		for i, want := range []string{"POST /learnspam ", "POST /learnham "} {
			if !strings.HasPrefix(got[i], want) || !strings.Contains(got[i], "\r\nPassword: word\r\n") ||
				!strings.HasSuffix(got[i], plainMail) {
				t.Errorf("%s", got[i])
			}
		}
		if n := counted(t, o, `mail_filter_failures_total{reason="learn"}`); n != "none" {
			t.Errorf("%s failures", n)
		}
	})
}

func TestALessonThatFailsIsCountedAndForgotten(t *testing.T) {
	for name, talk := range map[string]func(net.Conn){
		"nobody listens": nil, "refused": answers(jsonHeader, `{"error":"no"}`), "closes": answers(""),
	} {
		synctest.Test(t, func(t *testing.T) {
			tr, o := trainer(t, talk)
			ctx, cancel := context.WithCancel(t.Context())
			go tr.Run(ctx)
			tr.Learn("01JDM0000000000000000000AA", true)
			tr.Learn("gone", true)
			synctest.Wait()
			cancel()
			if n := counted(t, o, `mail_filter_failures_total{reason="learn"}`); n != "2" {
				t.Errorf("%s: %s failures", name, n)
			}
		})
	}
}

func TestLessonsDoNotPileUp(t *testing.T) {
	tr, o := trainer(t, nil) // nobody teaches
	for range maxLessons + 3 {
		tr.Learn("01JDM0000000000000000000AA", true)
	}
	if n := counted(t, o, `mail_filter_failures_total{reason="learn"}`); n != "3" || len(tr.todo) != maxLessons {
		t.Errorf("%s left out, %d wait", n, len(tr.todo))
	}
	(*Trainer)(nil).Learn("01JDM0000000000000000000AA", true)
}
