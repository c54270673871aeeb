package smtpd

import (
	"errors"
	"strings"

	"github.com/emersion/go-smtp"
	"github.com/xdg-go/scram"

	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/mail"
)

// maxScram is the longest message of a SCRAM client, in octets: a name and a
// nonce, or a nonce and a proof. The nonce goes back to the client.
const maxScram = 1024

// scramServer is SCRAM-SHA-256 (RFC 5802, RFC 7677), with a channel binding or
// without: the client proves that it knows the password without sending it.
type scramServer struct {
	s     *session
	mech  string
	conv  *scram.ServerConversation
	known registry.SCRAM     // of the user, who need not exist
	p     registry.Principal // after the proof
	steps int
}

func newScram(s *session, mech string) (*scramServer, error) {
	c := &scramServer{s: s, mech: mech}
	server, err := scram.SHA256.NewServer(c.lookup)
	if err != nil {
		return nil, err
	}
	binding := scram.ChannelBinding{Type: scram.ChannelBindingTLSExporter, Data: s.binding()}
	switch {
	case mech == scramPlus:
		c.conv = server.NewConversationWithChannelBindingRequired(binding)
	case binding.IsSupported(): // a client that says "y" did not see PLUS: somebody took it off the list
		c.conv = server.NewConversationWithChannelBinding(binding)
	default:
		c.conv = server.NewConversation()
	}
	return c, nil
}

// Next implements sasl.Server.
func (c *scramServer) Next(response []byte) (challenge []byte, done bool, err error) {
	switch {
	case response == nil && c.steps == 0:
		return nil, false, nil
	case len(response) > maxScram:
		c.s.s.reached(mail.LimitAuthLine)
		return nil, true, errExchange
	}
	c.steps++
	switch text := string(response); {
	case c.steps == 1:
		return c.first(text)
	case c.steps == 2:
		return c.final(text)
	case text != "": // SMTP has no challenge beside a success: the client answers the last one with nothing
		return nil, true, errExchange
	}
	c.s.enter(c.mech, c.p)
	return nil, true, nil
}

// first takes the name, and gives the salt of it.
func (c *scramServer) first(text string) ([]byte, bool, error) {
	if c.mech == scramOnly && strings.HasPrefix(text, "p") {
		return nil, true, errExchange // a binding belongs to the other mechanism
	}
	answer, err := c.conv.Step(text)
	if err != nil {
		return nil, true, c.wrong(answer, err)
	}
	return []byte(answer), false, nil
}

// lookup returns what the server needs of a user. For one who is not here, or has
// no password that SCRAM can use, it looks the same.
func (c *scramServer) lookup(user string) (scram.StoredCredentials, error) {
	if as := c.conv.AuthzID(); as != "" && as != user {
		return scram.StoredCredentials{}, c.s.refusePassword(user) // acting for another user is not offered
	}
	var err error
	c.known, err = c.s.scram(user)
	return scram.StoredCredentials{
		KeyFactors: scram.KeyFactors{Salt: string(c.known.Salt), Iters: c.known.Iterations},
		StoredKey:  c.known.StoredKey, ServerKey: c.known.ServerKey,
	}, err
}

// final takes the proof, and gives that of the server.
func (c *scramServer) final(text string) ([]byte, bool, error) {
	answer, err := c.conv.Step(text)
	if err == nil {
		c.p, err = c.s.bySCRAM(c.conv.Username(), c.known)
	} else {
		err = c.wrong(answer, err)
	}
	return []byte(answer), err != nil, err
}

// wrong returns the refusal for an error of the library, whose answer says what
// it was. What is no attempt to log in is no refused credential.
func (c *scramServer) wrong(answer string, err error) error {
	var e *smtp.SMTPError
	switch {
	case errors.As(err, &e): // of lookup
		return e
	case answer == scram.ErrInvalidProof:
		return c.s.refusePassword(c.conv.Username())
	case answer == scram.ErrChannelBindingsDontMatch, answer == scram.ErrServerDoesSupportChannelBinding,
		answer == scram.ErrUnsupportedChannelBindingType:
		if err := c.s.refusePassword(c.conv.Username()); err != errCredentials {
			return err
		}
		return errBinding
	}
	return errExchange
}
