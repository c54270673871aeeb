package httpd

import (
	"context"
	"strings"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
	"github.com/multimail/multimail/mail"
)

// disclosed refuses to hide that an agent wrote a mail: every mail says so.
func disclosed(v *bool) error {
	if v != nil && !*v {
		return invalid("ai_disclosure cannot be switched off: every mail says that an agent sent it")
	}
	return nil
}

// optionalAddress reads an address that may be taken away by an empty text.
func optionalAddress(name string, text *string) (*mail.Address, error) {
	if text == nil {
		return nil, nil
	}
	var a mail.Address
	if *text == "" {
		return &a, nil
	}
	a, err := mail.ParseAddress(*text)
	if err != nil {
		return nil, invalid("%s must be one address, or empty for none", name)
	}
	return &a, nil
}

// writingOf reads what a mailbox adds to its mail.
func writingOf(cc, bcc, signature *string, disclosure *bool) (w registry.WritingPatch, err error) {
	if err := disclosed(disclosure); err != nil {
		return w, err
	}
	if w.AutoCC, err = optionalAddress("auto_cc", cc); err != nil {
		return w, err
	}
	if w.AutoBCC, err = optionalAddress("auto_bcc", bcc); err != nil {
		return w, err
	}
	if signature != nil {
		text := strings.ReplaceAll(*signature, "\r\n", "\n")
		w.Signature = &text
	}
	return w, nil
}

// newAddress is the address of a mailbox that is asked for. A local part alone goes with the
// only domain there is.
func (s *Server) newAddress(tx store.Tx, in api.NewMailbox) (a mail.Address, _ error) {
	text := ""
	for _, v := range []string{in.Address, in.Local, in.LocalPart} {
		switch {
		case v == "":
		case text != "":
			return a, invalid("give one of address, address_local and address_local_part")
		default:
			text = v
		}
	}
	if text == "" {
		return a, invalid("address_local_part is missing: what stands before the @ of the new address")
	}
	if !strings.Contains(text, "@") {
		domains, err := s.o.Registry.Domains(tx)
		if err != nil {
			return a, err
		}
		if len(domains) != 1 {
			return a, invalid("give the whole address: there is not just one domain")
		}
		text += "@" + domains[0].Name
	}
	return mail.ParseAddress(text)
}

// newUsers are the agents of a mailbox that is asked for: those that are named, or the only one.
func (s *Server) newUsers(tx store.Tx, names []string) ([]string, error) {
	if len(names) > 0 {
		return names, nil
	}
	all, err := s.o.Registry.Agents(tx)
	if err != nil {
		return nil, err
	}
	for _, a := range all {
		if !a.Disabled {
			names = append(names, a.Name)
		}
	}
	if len(names) != 1 {
		return nil, invalid("agents must name who uses the mailbox: there is not just one agent")
	}
	return names, nil
}

func (s *Server) addMailbox(ctx context.Context, c caller, in api.NewMailbox) (out api.Mailbox, _ error) {
	if err := disclosed(in.AIDisclosure); err != nil {
		return out, err
	}
	var box mail.Address
	err := s.o.Store.Update(ctx, func(tx store.Tx) (err error) {
		if box, err = s.newAddress(tx, in); err != nil {
			return err
		}
		if in.Agents, err = s.newUsers(tx, in.Agents); err != nil {
			return err
		}
		_, err = s.o.Registry.AddMailbox(tx, c.Principal, box, in.Agents)
		if err == nil {
			err = s.budget(tx, box.Domain(), box.String())
		}
		if err == nil && in.DisplayName != "" {
			_, err = s.o.Registry.SetMailbox(tx, c.Principal, box, registry.MailboxPatch{DisplayName: &in.DisplayName})
		}
		return err
	})
	if err != nil {
		return out, err
	}
	return s.showMailbox(ctx, c, box)
}

// setupMailbox goes through the settings of a mailbox, and notes that it was done.
func (s *Server) setupMailbox(ctx context.Context, c caller, in api.SetupRequest) (out api.Mailbox, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	rest := registry.MailboxPatch{DisplayName: in.DisplayName}
	if rest.WritingPatch, err = writingOf(in.AutoCC, in.AutoBCC, in.SignatureBlock, in.AIDisclosure); err != nil {
		return out, err
	}
	if in.DefaultGateTiming != nil {
		timing, err := mail.ParseTiming(*in.DefaultGateTiming)
		if err != nil {
			return out, invalid("default_gate_timing must be gate_first or schedule_first")
		}
		rest.Timing = &timing
	}
	if in.SchedulingEnabled != nil {
		off := !*in.SchedulingEnabled
		rest.Unscheduled = &off
	}
	configured := true
	rest.Configured = &configured
	return s.changeMailbox(ctx, c, box, mailboxChange{mode: in.OversightMode, rest: rest})
}

// dropMailbox ends a mailbox for good.
func (s *Server) dropMailbox(ctx context.Context, c caller, in api.MailboxName) (out api.Done, _ error) {
	box, err := c.reaches(in.Mailbox)
	if err != nil {
		return out, err
	}
	if _, err := s.o.Gate.DeleteMailbox(ctx, c.Principal, box); err != nil {
		return out, err
	}
	return api.Done{Status: "deleted"}, nil
}
