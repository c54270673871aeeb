// An issuer at which people sign in, by node-oidc-provider: of the sign-in of the embedded
// authorization server, and of tokens for MCP clients that are registered with it. Whoever
// types a name that PEOPLE has is that person; the password is not looked at.
import { createServer } from "node:http";
import { generateKeyPairSync } from "node:crypto";
import Provider from "oidc-provider";

const { ISSUER, PEOPLE, CLIENTS, RESOURCE, TTL = "300" } = process.env; // TTL: of access tokens, in seconds
const people = JSON.parse(PEOPLE); // name -> claims
const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = { ...privateKey.export({ format: "jwk" }), use: "sig", alg: "RS256", kid: "one" };

const provider = new Provider(ISSUER, {
  jwks: { keys: [jwk] },
  clients: JSON.parse(CLIENTS),
  cookies: { keys: ["not a secret"] },
  pkce: { required: () => true },
  conformIdTokenClaims: false,
  claims: { openid: ["sub", "roles"], profile: ["name"] },
  scopes: ["openid", "offline_access", "profile", "mail.read", "mail.send"], // clients register with theirs
  findAccount: (ctx, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
  issueRefreshToken: (ctx, client) => client.grantTypeAllowed("refresh_token"),
  features: {
    devInteractions: { enabled: true },
    registration: { enabled: true },
    rpInitiatedLogout: { enabled: false },
    resourceIndicators: {
      enabled: true,
      useGrantedResource: () => true,
      getResourceServerInfo: (ctx, resource) => {
        if (resource !== RESOURCE) throw new Error("no such resource");
        return { audience: resource, scope: "mail.read mail.send", accessTokenFormat: "jwt", accessTokenTTL: Number(TTL),
          jwt: { sign: { alg: "RS256" } } };
      },
    },
  },
});

const server = createServer(provider.callback());
server.listen(new URL(ISSUER).port, "127.0.0.1", () => console.log("listening"));
setTimeout(() => process.exit(0), 300_000).unref();
process.on("SIGTERM", () => process.exit(0));
