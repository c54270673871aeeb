package api

// OAuth clients, and what people have granted them.
var (
	ListClients = Add[None, OAuthClients](Operations, Operation{
		Name: "list_clients", Method: "GET", Path: "/v1/oauth/clients", Scopes: managers,
		Summary: "the OAuth clients that were added or have registered themselves, removed ones too"})

	AddClient = Add[NewOAuthClient, OAuthClientSecret](Operations, Operation{
		Name: "add_client", Method: "POST", Path: "/v1/oauth/clients", Scopes: oneOf(ScopeAdmin),
		Audit: "client.add", Status: 201,
		Summary: "add an OAuth client; its secret is shown this once"})

	RotateClient = Add[OAuthClientRef, OAuthSecret](Operations, Operation{
		Name: "rotate_client", Method: "POST", Path: "/v1/oauth/clients/{id}/secret", Scopes: oneOf(ScopeAdmin),
		Audit:   "client.rotate",
		Summary: "a new secret of a client in place of the old one"})

	RemoveClient = Add[OAuthClientRef, Done](Operations, Operation{
		Name: "remove_client", Method: "DELETE", Path: "/v1/oauth/clients/{id}", Scopes: oneOf(ScopeAdmin),
		Audit:   "client.remove",
		Summary: "remove a client, and end every grant of it"})

	ListGrants = Add[None, Grants](Operations, Operation{
		Name: "list_grants", Method: "GET", Path: "/v1/oauth/grants", Scopes: managers,
		Summary: "what people have let OAuth clients do, ended grants too"})

	EndGrant = Add[GrantRef, Done](Operations, Operation{
		Name: "end_grant", Method: "DELETE", Path: "/v1/oauth/grants/{id}",
		Audit:   "grant.end",
		Summary: "end a grant, and every token and session of it; everyone may end their own"})
)
