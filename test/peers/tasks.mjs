// Sends a mail that is held with the client library of the Tasks extension, and waits for
// the end of the task; the last line that it prints says what it saw.
import { Client, StreamableHTTPClientTransport } from "@modelcontextprotocol/client";
import { createTaskSessionFromClient, resultFromTaskOutcome } from "@modelcontextprotocol/ext-tasks/client";
import { isCreateTaskResultV2, isDetailedTaskV2 } from "@modelcontextprotocol/ext-tasks/core/v2";

const url = new URL(process.env.MCP_URL);
const headers = { Authorization: `Bearer ${process.env.KEY}` };
const clientInfo = { name: "tasks", version: "1" };
const seen = { created: 0, detailed: 0, wrong: [] };
let n = 0;

// The requests of tasks, as the transport of the SDK makes them in the era without sessions.
async function rawDispatch(request) {
  const body = { jsonrpc: "2.0", id: ++n, ...request };
  const name = body.params?.name ?? body.params?.taskId;
  const response = await fetch(url, {
    method: "POST",
    headers: {
      ...headers, "Content-Type": "application/json", Accept: "application/json, text/event-stream",
      "Mcp-Protocol-Version": "2026-07-28", "Mcp-Method": body.method, ...(name ? { "Mcp-Name": name } : {}),
    },
    body: JSON.stringify(body),
  });
  const answer = await response.json();
  if (body.method === "tools/call" && isCreateTaskResultV2(answer.result)) seen.created++;
  else if (body.method === "tasks/get" && isDetailedTaskV2(answer.result)) seen.detailed++;
  else if (body.method !== "tasks/cancel") seen.wrong.push([body.method, answer]);
  return answer;
}

const client = new Client(clientInfo, { versionNegotiation: { mode: "auto" }, capabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } });
await client.connect(new StreamableHTTPClientTransport(url, { requestInit: { headers } }));
const session = createTaskSessionFromClient(client, {
  endpointId: "mail", rawDispatch,
  v2RequestFraming: { protocolVersion: "2026-07-28", clientInfo, clientCapabilities: { extensions: { "io.modelcontextprotocol/tasks": {} } } },
});
const end = async (subject) => {
  const execution = await session.callTool("send_email", { to: ["to@dest.test"], subject, markdown: "Hello." });
  console.log(JSON.stringify({ subject }));
  if (subject === "task withdrawn") await execution.cancel?.();
  try {
    const { outcome } = await execution.settle();
    const result = resultFromTaskOutcome(outcome);
    return { status: result.structuredContent?.status, failed: result.isError === true };
  } catch (e) {
    return { error: e.constructor.name, says: String(e.message) };
  }
};
const ends = {};
for (const subject of ["task approved", "task rejected", "task withdrawn"]) ends[subject] = await end(subject);
await session.close();
console.log(JSON.stringify({ ends, seen }));
process.exit(0);
