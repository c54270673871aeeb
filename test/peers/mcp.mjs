// Talks to /mcp with the official TypeScript clients: 1.x, and 2.x in both eras.
import { Client as Client1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as HTTP1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { Client as Client2, StreamableHTTPClientTransport as HTTP2 } from "@modelcontextprotocol/client";

const url = new URL(process.env.MCP_URL);
const requestInit = { headers: { Authorization: `Bearer ${process.env.KEY}` } };
const out = [];
for (const [name, client, transport] of [
  ["1.x", new Client1({ name: "e2e", version: "1" }), new HTTP1(url, { requestInit })],
  ["2.x", new Client2({ name: "e2e", version: "1" }), new HTTP2(url, { requestInit })],
  ["2.x auto", new Client2({ name: "e2e", version: "1" }, { versionNegotiation: { mode: "auto" } }), new HTTP2(url, { requestInit })],
]) {
  await client.connect(transport);
  const { tools } = await client.listTools();
  const sent = await client.callTool({
    name: "send_email",
    arguments: { to: ["to@dest.test"], subject: `mcp ${name}`, markdown: "Hello *there*.", bcc: ["bcc@dest.test"], idempotency_key: name },
  });
  const id = sent.structuredContent.id;
  const read = await client.callTool({ name: "read_email", arguments: { email_id: id } });
  const bad = await client.callTool({ name: "send_email", arguments: { to: ["to@dest.test\r\nBcc: x@evil.test"], subject: "s", markdown: "m" } });
  out.push({
    name,
    tools: tools.map((t) => t.name),
    id,
    status: sent.structuredContent.status,
    says: sent.content.map((c) => c.text).join("\n"),
    read: read.structuredContent.status,
    refused: bad.isError === true,
  });
  await client.close();
}
console.log(JSON.stringify(out));
