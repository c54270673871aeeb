// Subscribes to resources with the official TypeScript client, over stdio or HTTP, in the era
// that MODE names ("legacy" or "auto"): prints "subscribed", and then the address of each
// resource that it is told of, until its input ends.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { BINARY, URL: url, KEY, MODE, URIS } = process.env;
const transport = BINARY
  ? new StdioClientTransport({ command: BINARY, args: ["mcp"], env: { MULTIMAIL_URL: url, MULTIMAIL_API_KEY: KEY } })
  : new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit: { headers: { Authorization: `Bearer ${KEY}` } } });
const client = new Client({ name: "e2e", version: "1" }, { versionNegotiation: { mode: MODE } });
client.setNotificationHandler("notifications/resources/updated", (n) => console.log(n.params.uri));
await client.connect(transport);
const uris = JSON.parse(URIS);
if (MODE === "legacy") {
  for (const uri of uris) await client.subscribeResource({ uri });
} else {
  await client.listen({ resourceSubscriptions: uris });
}
console.log("subscribed");
process.stdin.resume();
process.stdin.on("end", () => client.close().then(() => process.exit(0)));
