// An issuer of tokens that have the claims of Microsoft Entra's, by node-oidc-provider.
// It prints where it listens. Client and claims come from the environment; a token is
// fetched from /token with client credentials.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const { ISSUER, AUDIENCE, CLIENTS } = process.env;
const clients = JSON.parse(CLIENTS); // name -> claims
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "one" };

const provider = new Provider(ISSUER, {
  jwks: { keys: [jwk] },
  clients: Object.keys(clients).map((id) => ({
    client_id: id, client_secret: "secret", grant_types: ["client_credentials"], redirect_uris: [], response_types: [],
  })),
  features: {
    clientCredentials: { enabled: true },
    devInteractions: { enabled: false },
    resourceIndicators: {
      enabled: true,
      getResourceServerInfo: () => ({
        audience: AUDIENCE, scope: "any", accessTokenFormat: "jwt", accessTokenTTL: 3600,
        jwt: { sign: { alg: "RS256" } },
      }),
    },
  },
  extraTokenClaims: (ctx, token) => clients[token.clientId],
});

const server = createServer(provider.callback());
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
setTimeout(() => process.exit(0), 300_000).unref();
process.on("SIGTERM", () => process.exit(0));
