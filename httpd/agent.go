package httpd

import (
	"net/http"

	"github.com/multimail/multimail/httpd/api"
	"github.com/multimail/multimail/internal/registry"
	"github.com/multimail/multimail/internal/store"
)

func (s *Server) agents(r *request) (answer, error) {
	var all []registry.Agent
	err := s.o.Store.View(r.Context(), func(tx store.Tx) (err error) {
		all, err = s.o.Registry.Agents(tx)
		return err
	})
	list := api.Agents{Agents: []api.Agent{}}
	for _, a := range all {
		list.Agents = append(list.Agents, agentOf(a))
	}
	return answer{http.StatusOK, list}, err
}

func agentOf(a registry.Agent) api.Agent {
	return api.Agent{Name: a.Name, AgentRef: a.Ref, Disabled: a.Disabled, CreatedAt: a.CreatedAt}
}

func (s *Server) addAgent(r *request) (answer, error) {
	var n api.NewAgent
	if err := decode(r, &n, smallBody); err != nil {
		return answer{}, err
	}
	var v api.AgentPassword
	err := s.o.Store.Update(r.Context(), func(tx store.Tx) error {
		a, password, err := s.o.Registry.AddAgent(tx, r.p, n.Name, n.AgentRef)
		v = api.AgentPassword{Agent: agentOf(a), Password: password}
		return err
	})
	return answer{http.StatusCreated, v}, err
}

func (s *Server) disableAgent(r *request) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	report, err := s.o.Gate.DisableAgent(r.Context(), r.p, r.PathValue("name"))
	return answer{http.StatusOK, stoppedOf(report)}, err
}

func (s *Server) enableAgent(r *request) (answer, error) {
	return s.changeAgent(r, func(tx store.Tx, name string) (string, error) {
		return "", s.o.Registry.EnableAgent(tx, r.p, name)
	})
}

func (s *Server) resetPassword(r *request) (answer, error) {
	return s.changeAgent(r, func(tx store.Tx, name string) (string, error) {
		return s.o.Registry.ResetPassword(tx, r.p, name)
	})
}

// changeAgent makes a change and shows the agent, with its password if the
// change gave it one.
func (s *Server) changeAgent(
	r *request, change func(tx store.Tx, name string) (string, error),
) (answer, error) {
	if err := empty(r); err != nil {
		return answer{}, err
	}
	var a registry.Agent
	var password string
	err := s.o.Store.Update(r.Context(), func(tx store.Tx) (err error) {
		if password, err = change(tx, r.PathValue("name")); err != nil {
			return err
		}
		a, err = s.o.Registry.Agent(tx, r.PathValue("name"))
		return err
	})
	if err != nil {
		return answer{}, err
	}
	if password == "" {
		return ok(agentOf(a))
	}
	return ok(api.AgentPassword{Agent: agentOf(a), Password: password})
}
