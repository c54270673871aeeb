package httpd

import (
	"context"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) agents(ctx context.Context, _ caller, _ api.None) (api.Agents, error) {
	var all []registry.Agent
	err := s.o.Store.View(ctx, func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Agents(tx)
		return err
	})
	list := api.Agents{Agents: []api.Agent{}}
	for _, a := range all {
		list.Agents = append(list.Agents, agentOf(a))
	}
	return list, err
}

func agentOf(a registry.Agent) api.Agent {
	return api.Agent{Name: a.Name, AgentRef: a.Ref, Disabled: a.Disabled, CreatedAt: a.CreatedAt}
}

func (s *Server) addAgent(ctx context.Context, c caller, in api.NewAgent) (api.AgentPassword, error) {
	var v api.AgentPassword
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		a, password, err := s.o.Registry.AddAgent(tx, c.Principal, in.Name, in.AgentRef)
		v = api.AgentPassword{Agent: agentOf(a), Password: password}
		return err
	})
	return v, err
}

func (s *Server) disableAgent(ctx context.Context, c caller, in api.NameRef) (api.Stopped, error) {
	report, err := s.o.Gate.DisableAgent(ctx, c.Principal, in.Name)
	return stoppedOf(report), err
}

func (s *Server) enableAgent(ctx context.Context, c caller, in api.NameRef) (out api.Agent, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		if err := s.o.Registry.EnableAgent(tx, c.Principal, in.Name); err != nil {
			return err
		}
		a, err := s.o.Registry.Agent(tx, in.Name)
		out = agentOf(a)
		return err
	})
	return out, err
}

func (s *Server) resetPassword(ctx context.Context, c caller, in api.NameRef) (out api.AgentPassword, _ error) {
	err := s.o.Store.Update(ctx, func(tx store.Tx) error {
		password, err := s.o.Registry.ResetPassword(tx, c.Principal, in.Name)
		if err != nil {
			return err
		}
		a, err := s.o.Registry.Agent(tx, in.Name)
		out = api.AgentPassword{Agent: agentOf(a), Password: password}
		return err
	})
	return out, err
}
