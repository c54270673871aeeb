// Calls tools with the official TypeScript client, over stdio or HTTP: prints the list of
// tools, and then for each line {"tool", "args"} of its input the result on a line. The
// client checks each result against the schema of the tool; what it refuses is "thrown".
import { createInterface } from "node:readline";
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";

const { BINARY, URL: url, KEY } = process.env;
const transport = BINARY
  ? new StdioClientTransport({ command: BINARY, args: ["mcp"], env: { MULTIMAIL_URL: url, MULTIMAIL_API_KEY: KEY } })
  : new StreamableHTTPClientTransport(new URL("/mcp", url), { requestInit: { headers: { Authorization: `Bearer ${KEY}` } } });
const client = new Client({ name: "e2e", version: "1" });
await client.connect(transport);
console.log(JSON.stringify(await client.listTools()));
for await (const line of createInterface({ input: process.stdin })) {
  const { tool, args } = JSON.parse(line);
  let result;
  try {
    result = await client.callTool({ name: tool, arguments: args });
  } catch (e) {
    result = { thrown: String(e) };
  }
  console.log(JSON.stringify(result));
}
await client.close();
