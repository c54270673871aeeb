// The official TypeScript clients, 1.x and 2.x, get their own tokens from the URL alone:
// registration (or, with CLIENT_URL, a document that says what they are), PKCE, a person's consent in Chromium, refresh, and step-up.
// With PERSON that person signs in at people.mjs: READ and SEND are the scopes there, and BIND
// is a command that a client's id is added to, as its object and as its client.
import { execFileSync } from "node:child_process";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HTTP1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from "@modelcontextprotocol/client";
import { byIssuer, byKey, consent } from "./consent.mjs";

const { MCP_URL, KEY, OFFER, CLIENT_URL, PERSON, BIND, READ = "read", SEND = "send" } = process.env;
const back = "http://127.0.0.1:1/callback"; // the browser is kept from asking it
const mail = { to: ["to@dest.test"], subject: "", markdown: "Hello." };

// Memory is what a program keeps of a sign-in.
class Memory {
  constructor(name) { Object.assign(this, { name, asked: [], count: 0 }); }
  get clientMetadataUrl() { return CLIENT_URL; }
  get redirectUrl() { return back; }
  get clientMetadata() {
    return { client_name: this.name, redirect_uris: [back], token_endpoint_auth_method: "none",
      grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] };
  }
  state() { return `state-${this.name}-${++this.count}`; }
  clientInformation() { return this.client; }
  saveClientInformation(c) {
    this.client = c;
    if (!BIND) return;
    const [command, ...args] = JSON.parse(BIND);
    execFileSync(command, [...args, "--object", c.client_id, "--client", c.client_id]);
  }
  tokens() { return this.kept; }
  saveTokens(t) { this.kept = t; }
  redirectToAuthorization(url) { this.asked.push(url); }
  saveCodeVerifier(v) { this.verifier = v; }
  codeVerifier() { return this.verifier; }
  saveDiscoveryState(d) { this.found = d; }
  discoveryState() { return this.found; }
  invalidateCredentials(what) {
    if (what === "all" || what === "tokens") this.kept = undefined;
    if (what === "all" || what === "client") this.client = undefined;
  }
}

// refusedWith runs f and returns the message of its error.
const refusedWith = (f) => f().then(() => "", (e) => `${e.constructor.name}: ${e.message}`);

async function run(name, newClient, newTransport, finish) {
  const memory = new Memory(name), out = { name };
  let transport = newTransport(memory), client = newClient();
  const answered = async (without) => {
    const start = memory.asked.at(-1);
    const narrow = new URL(start);
    if (PERSON && without.length > 0) narrow.searchParams.set("scope", READ); // it offers no choice
    const got = await consent({ start: String(narrow), offer: OFFER, back, without,
      signIn: PERSON ? byIssuer(PERSON) : byKey(KEY) });
    const q = new URL(got.back).searchParams;
    out.states = [...(out.states ?? []), q.get("state") === start.searchParams.get("state")];
    out.iss = q.get("iss");
    await finish(transport, q);
  };
  const connect = async () => {
    transport = newTransport(memory);
    client = newClient();
    await client.connect(transport);
  };
  const send = (subject) => client.callTool({ name: "send_email", arguments: { ...mail, subject } });

  // Without a token: a 401 that leads to the page. The person leaves "send" out.
  out.first = await refusedWith(() => client.connect(transport));
  if (memory.asked.length === 0) throw new Error(out.first);
  out.asked = Object.fromEntries(memory.asked[0].searchParams);
  await answered([SEND]);
  out.scope = memory.kept.scope;
  await connect();
  out.read = (await client.callTool({ name: "list_mailboxes", arguments: {} })).isError !== true;

  // A token that is over brings the next pair.
  const before = memory.kept;
  memory.kept = { ...before, access_token: before.access_token.slice(0, -8) + "AAAAAAAA" };
  out.refreshed = (await client.callTool({ name: "list_mailboxes", arguments: {} })).isError !== true &&
    memory.kept.access_token !== before.access_token && memory.kept.refresh_token !== before.refresh_token;

  // A call that needs more: 1.x refreshes, which brings no scope, so its program has to
  // forget the token; 2.x asks for all scopes together.
  out.stepUp = await refusedWith(() => send(`${name} too early`));
  if (memory.asked.length === 1) {
    memory.kept = undefined;
    await refusedWith(connect);
  }
  out.askedAgain = memory.asked.at(-1).searchParams.get("scope");
  await answered([]);
  out.scopeAfter = memory.kept.scope;
  await connect();
  out.sent = (await send(`oauth ${name}`)).structuredContent.status;
  out.consents = memory.asked.length;

  if (PERSON) {
    await client.close();
    return out;
  }
  // A refresh token that was used before ends everything.
  const stale = memory.kept.refresh_token;
  memory.kept = { ...memory.kept, access_token: memory.kept.access_token.slice(0, -8) + "AAAAAAAA" };
  await client.callTool({ name: "list_mailboxes", arguments: {} });
  const alive = memory.kept;
  memory.kept = { ...alive, access_token: "gone", refresh_token: stale };
  out.replay = await refusedWith(() => client.callTool({ name: "list_mailboxes", arguments: {} }));
  memory.kept = alive;
  out.after = await refusedWith(() => client.callTool({ name: "list_mailboxes", arguments: {} }));
  out.forgot = memory.kept === undefined; // what was still good
  await client.close();
  return out;
}

const url = new URL(MCP_URL);
const all = [];
for (const [name, make, transport, finish] of [
  ["1.x", () => new Client1({ name: "e2e", version: "1" }), (m) => new HTTP1(url, { authProvider: m }),
    (t, q) => t.finishAuth(q.get("code"))],
  ["2.x", () => new Client2({ name: "e2e", version: "1" }), (m) => new HTTP2(url, { authProvider: m }),
    (t, q) => t.finishAuth(q)],
  ["2.x auto", () => new Client2({ name: "e2e", version: "1" }, { versionNegotiation: { mode: "auto" } }),
    (m) => new HTTP2(url, { authProvider: m }), (t, q) => t.finishAuth(q)],
]) all.push(await run(name, make, transport, finish));
console.log(JSON.stringify(all));
process.exit(0); // clients keep connections open
