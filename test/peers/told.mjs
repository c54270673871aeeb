// The official TypeScript clients, 1.x and 2.x, subscribe to a mail and a mailbox: in sessions, and
// by subscriptions/listen in the era without. Each line of the input is a moment: "told" asks for
// what was told since the last one, "end" ends. Notifications are read again at once, as a program would.
import { createInterface } from "node:readline";
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HTTP1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { ResourceUpdatedNotificationSchema } from "@modelcontextprotocol/sdk/types.js";
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from "@modelcontextprotocol/client";

const url = new URL(process.env.MCP_URL), uris = JSON.parse(process.env.URIS);
const requestInit = { headers: { Authorization: `Bearer ${process.env.KEY}` } };
const told = {}; // client -> URI -> what a read said after the last notification of it
const closed = {};
for (const [name, client, transport] of [
  ["1.x", new Client1({ name: "e2e", version: "1" }), new HTTP1(url, { requestInit })],
  ["2.x", new Client2({ name: "e2e", version: "1" }), new HTTP2(url, { requestInit })],
  ["2.x auto", new Client2({ name: "e2e", version: "1" }, { versionNegotiation: { mode: "auto" } }), new HTTP2(url, { requestInit })],
]) {
  const heard = told[name] = {};
  await client.connect(transport);
  const on = async ({ params }) => {
    const read = await client.readResource({ uri: params.uri }).catch((e) => ({ contents: [{ text: String(e) }] }));
    heard[params.uri] = read.contents.map((c) => c.text ?? "").join("\n");
  };
  client.setNotificationHandler(name === "1.x" ? ResourceUpdatedNotificationSchema : "notifications/resources/updated", on);
  if (name === "2.x auto") {
    const open = await client.listen({ resourceSubscriptions: uris });
    open.closed.then((how) => { closed[name] = how; });
  } else for (const uri of uris) await client.subscribeResource({ uri });
}
console.log("subscribed");
for await (const line of createInterface({ input: process.stdin })) {
  if (line === "end") break;
  console.log(JSON.stringify({ told, closed }));
}
process.exit(0);
