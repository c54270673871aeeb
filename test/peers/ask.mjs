// Calls a tool with the official TypeScript client, over stdio or HTTP, in the era that MODE names
// ("legacy" or "auto"), once for each of ANSWERS, which its person gives to the form that the
// server asks them to fill in. Prints for each call the form and the result.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { BINARY, URL: url, KEY, MODE, TOOL, ANSWERS } = process.env;
const transport = BINARY
  ? new StdioClientTransport({ command: BINARY, args: ["mcp"], env: { MULTIMAIL_URL: url, MULTIMAIL_API_KEY: KEY } })
  : new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit: { headers: { Authorization: `Bearer ${KEY}` } } });
const client = new Client(
  { name: "e2e", version: "1" },
  { versionNegotiation: { mode: MODE }, capabilities: { elicitation: { form: {} } } },
);
let answer, form;
client.setRequestHandler("elicitation/create", (q) => {
  form = q.params.requestedSchema;
  return answer;
});
await client.connect(transport);
const out = [];
for (answer of JSON.parse(ANSWERS)) {
  form = null;
  let result;
  try {
    result = await client.callTool({ name: TOOL, arguments: {} });
  } catch (e) {
    result = { thrown: String(e) };
  }
  out.push({ form, result });
}
console.log(JSON.stringify(out));
await client.close();
