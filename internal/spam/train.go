package spam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/multimail/multimail/mail"
)

// Trainer tells the controller of rspamd what a person takes for junk. It learns from
// approvers alone: who may teach a filter decides which mail of others it stops, and
// an agent does what the mail that it reads talks it into.
type Trainer struct {
	o      Options
	client *rspamd
	raw    func(context.Context, mail.ID) ([]byte, error)
	todo   chan lesson
}

// lesson is one mail to be learnt.
type lesson struct {
	id   mail.ID
	spam bool
}

// maxLessons bounds what waits to be learnt; more is left out, which costs nothing
// but the lesson.
const maxLessons = 64

// NewTrainer returns a trainer for the controller at address ("http://…", "unix:…"),
// which reads the bytes of a mail by raw. Options give Timeout, TLS, Log, Metrics.
func NewTrainer(
	o Options, address, password string, raw func(context.Context, mail.ID) ([]byte, error),
) (*Trainer, error) {
	if o.Timeout <= 0 || o.Log == nil || o.Metrics == nil {
		return nil, errors.New("spam: Timeout, Log and Metrics are required")
	}
	if o.Dial == nil {
		o.Dial = netDial
	}
	c, err := rspamdAt(o, address, password)
	return &Trainer{o: o, client: c, raw: raw, todo: make(chan lesson, maxLessons)}, err
}

// Learn has a mail learnt, as spam or not, later and without waiting. A nil Trainer
// learns nothing.
func (t *Trainer) Learn(id mail.ID, spam bool) {
	if t == nil {
		return
	}
	select {
	case t.todo <- lesson{id, spam}:
	default:
		t.failed(id, errors.New("spam: too much waits to be learnt"))
	}
}

// Run teaches until ctx ends.
func (t *Trainer) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case l := <-t.todo:
			if err := t.teach(ctx, l); err != nil {
				t.failed(l.id, err)
			}
		}
	}
}

func (t *Trainer) failed(id mail.ID, err error) {
	t.o.Metrics.CountFilterFailure("learn")
	t.o.Log.Warn("spam filter has not learnt", "mail", string(id), "err", err)
}

// teach sends one mail (POST /learnspam, /learnham).
func (t *Trainer) teach(ctx context.Context, l lesson) error {
	raw, err := t.raw(ctx, l.id)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(t.o.Timeout))
	defer cancel()
	path := "/learnham"
	if l.spam {
		path = "/learnspam"
	}
	body, err := t.client.post(ctx, path, map[string][]string{"Queue-Id": {string(l.id)}}, raw)
	if err != nil {
		return err
	}
	var said struct {
		Success bool   `json:"success"`
		Error   string `json:"error"`
	}
	if json.Unmarshal(body, &said) != nil || !said.Success {
		return fmt.Errorf("spam: the controller has not learnt it: %.200q", said.Error)
	}
	return nil
}
