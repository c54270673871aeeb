package httpd

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"

	"github.com/multimail/multimail/httpd/api"
)

// binding is an operation with its handler: call for an answer in JSON, write
// for any other.
type binding struct {
	op    *api.Operation
	call  func(ctx context.Context, c caller, in any) (any, error)
	write func(ctx context.Context, c caller, in any, w http.ResponseWriter, r *http.Request) error
}

// bind ties an operation to the handler that answers it.
func bind[In, Out any](op api.Op[In, Out], h func(context.Context, caller, In) (Out, error)) binding {
	return binding{op: op.Operation, call: func(ctx context.Context, c caller, in any) (any, error) {
		return h(ctx, c, in.(In))
	}}
}

// bindWriter is bind for an answer that is not JSON. Once the handler has
// written something it returns no error.
func bindWriter[In any](
	op api.Op[In, api.Octets], h func(context.Context, caller, In, http.ResponseWriter, *http.Request) error,
) binding {
	return binding{op: op.Operation,
		write: func(ctx context.Context, c caller, in any, w http.ResponseWriter, r *http.Request) error {
			return h(ctx, c, in.(In), w, r)
		}}
}

// bindings ties every operation of the table to its handler.
func (s *Server) bindings() []binding {
	return slices.Concat(s.answerBindings(), s.mailboxBindings(),
		s.administration(), s.signingKeyBindings(), s.readerBindings(), []binding{
			bind(api.GetHealth, s.health),
			bindWriter(api.GetSigningKey, s.signingKey),
			bindWriter(api.GetJWKS, s.jwks),
			bindWriter(api.GetMTASTS, s.mtaSTS),
			bindWriter(api.GetSwagger, s.apiDocument),
			bindWriter(api.GetSwaggerMCP, s.mcpDocument),
			bindWriter(api.GetDocs, s.docsPage),
			bindWriter(api.GetVerifyPage, s.verifyPage),
			bindWriter(api.GetMetrics, s.metrics),

			bind(api.Whoami, s.whoami),
			bind(api.SendAny, s.sendAny),
			bind(api.SendEmail, s.send),
			bind(api.CheckInbox, s.emails),
			bind(api.ReadEmail, s.email),
			bind(api.EditScheduled, s.edit),
			bind(api.CancelMessage, s.cancel),
			bindWriter(api.GetAttachment, s.attachment),
			bind(api.DownloadAttachment, s.download),
			bind(api.GetAttachmentURL, s.attachmentURL),
			bindWriter(api.GetFile, s.file),
			bind(api.WaitForEmail, s.wait),
			bind(api.GetUsage, s.usage),

			bind(api.ListAllowlist, s.allowlist),
			bind(api.AddAllowlistEntry, s.allowAdd),
			bind(api.RemoveAllowlistEntry, s.allowRemove),

			bind(api.ListPending, s.pending),
			bind(api.ReviewEmail, s.review),
			bindWriter(api.GetRawEmail, s.rawReview),
			bind(api.DecideEmail, s.decide),

			bind(api.ListMails, s.mails),
			bind(api.GetMail, s.mail),
			bind(api.CancelMail, s.cancelMail),
			bind(api.RetryMail, s.retryMail),
			bind(api.HoldMail, s.holdMail),
			bind(api.GetAuditLog, s.auditLog),
			bind(api.ListSuppression, s.suppressions),
			bind(api.RemoveSuppression, s.unsuppress),
			bindWriter(api.ExportAuditLog, s.auditExport),
			bind(api.VerifyAuditLog, s.auditVerify),
			bind(api.Reindex, s.reindex),
			bind(api.GetClock, s.clock),
			bind(api.AcceptClock, s.acceptClock),

			bind(api.VerifyMail, s.verifyMail),

			bind(api.StartFreeze, s.freeze),
			bind(api.EndFreeze, s.thaw),
			bind(api.ListFreezes, s.freezes),
		})
}

// answerBindings ties what is done with mail of others, answering it and calling it spam,
// and what an agent asks of its operator.
func (s *Server) answerBindings() []binding {
	return []binding{
		bind(api.ReplyEmail, s.reply),
		bind(api.ListSpam, s.spam),
		bind(api.ManageSpam, s.reportSpam),
		bind(api.ClearSpam, s.clearSpam),
		bind(api.RequestUpgrade, s.requestUpgrade),
		bind(api.ApplyUpgrade, s.applyUpgrade),
	}
}

// mailboxBindings ties what is done with mailboxes.
func (s *Server) mailboxBindings() []binding {
	return []binding{
		bind(api.ListMailboxes, s.mailboxes),
		bind(api.CreateMailbox, s.addMailbox),
		bind(api.GetMailbox, s.mailbox),
		bind(api.UpdateMailbox, s.patchMailbox),
		bind(api.ConfigureMailbox, s.setupMailbox),
		bind(api.DeleteMailbox, s.dropMailbox),
	}
}

// administration binds what belongs to the installation: operator, domains, agents and
// credentials.
func (s *Server) administration() []binding {
	return []binding{
		bind(api.GetAccount, s.account),
		bind(api.UpdateAccount, s.patchAccount),
		bind(api.DeleteAccount, s.closeAccount),
		bind(api.ListDomains, s.domains),
		bind(api.AddDomain, s.addDomain),
		bind(api.GetDomain, s.domain),
		bind(api.VerifyDomain, s.verifyDomain),
		bind(api.PinDomain, s.pinDomain),
		bind(api.UnpinDomain, s.unpinDomain),
		bind(api.RemoveDomain, s.removeDomain),
		bind(api.GetDoctor, s.doctor),
		bind(api.ListAgents, s.agents),
		bind(api.AddAgent, s.addAgent),
		bind(api.DisableAgent, s.disableAgent),
		bind(api.EnableAgent, s.enableAgent),
		bind(api.ResetPassword, s.resetPassword),
		bind(api.ListCertificates, s.listCertificates),
		bind(api.AddCertificate, s.addCertificate),
		bind(api.RevokeCertificate, s.revokeCertificate),
		bind(api.ListBindings, s.bindingsList),
		bind(api.AddBinding, s.addBinding),
		bind(api.EndBinding, s.endBinding),
		bind(api.ListClients, s.clientList),
		bind(api.AddClient, s.clientAdd),
		bind(api.RotateClient, s.clientRotate),
		bind(api.RemoveClient, s.clientRemove),
		bind(api.ListGrants, s.grantList),
		bind(api.EndGrant, s.grantEnd),
		bind(api.CreateWebhook, s.webhookAdd),
		bind(api.ListWebhooks, s.webhookList),
		bind(api.GetWebhook, s.webhook),
		bind(api.DeleteWebhook, s.webhookRemove),
		bind(api.RotateWebhook, s.webhookRotate),
		bind(api.ListDeliveries, s.deliveries),
		bind(api.Redeliver, s.redeliver),
		bind(api.ListAPIKeys, s.keys),
		bind(api.CreateAPIKey, s.addKey),
		bind(api.UpdateAPIKey, s.patchKey),
		bind(api.RevokeAPIKey, s.revokeKey),
	}
}

// mount puts a table into force. It refuses an operation without a handler, and
// a handler without an operation.
func (s *Server) mount(table *api.Table, handlers []binding) error {
	// Made once they are asked for: what the table cannot describe, the tests of its package find.
	s.documents = sync.OnceValues(func() (documents, error) { return makeDocuments(table, s.o.Origin) })
	s.bound = map[*api.Operation]binding{}
	for _, b := range handlers {
		if _, twice := s.bound[b.op]; twice {
			return fmt.Errorf("httpd: %s has two handlers", b.op.Name)
		}
		if (b.op.Kind == api.JSON) != (b.call != nil) {
			return fmt.Errorf("httpd: the handler of %s does not fit its kind", b.op.Name)
		}
		s.bound[b.op] = b
	}
	routes := map[string][]binding{}
	for _, op := range table.Operations() {
		b, ok := s.bound[op]
		if !ok {
			return fmt.Errorf("httpd: %s has no handler", op.Name)
		}
		routes[op.Route()] = append(routes[op.Route()], b)
	}
	if len(table.Operations()) != len(s.bound) {
		return errors.New("httpd: a handler has no operation in the table")
	}
	mux := http.NewServeMux()
	for pattern, variants := range routes {
		mux.Handle(pattern, s.serve(variants))
	}
	s.handler = jsonErrors(mux)
	return nil
}
