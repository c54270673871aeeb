// A receiver of webhooks as Standard Webhooks' own library makes one. Secrets come on the
// standard input, one a line; each request is answered 204 if the library takes it with one of
// them, else 400. The first line of the output is the URL, then one line says what each request
// was: which secrets it verifies with, and whether the library refuses what is not that request.
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

const secrets = [];
createInterface({ input: process.stdin }).on("line", (line) => secrets.push(line));

const verifies = (secret, body, headers) => {
  try {
    return new Webhook(secret).verify(body, headers);
  } catch {
    return undefined;
  }
};

const server = createServer(async (request, response) => {
  const parts = [];
  for await (const part of request) parts.push(part);
  const body = Buffer.concat(parts).toString();
  const { headers, url } = request;
  const by = secrets.filter((secret) => verifies(secret, body, headers));
  const event = by.length > 0 ? verifies(by[0], body, headers) : undefined;
  // Another body, another id, another time, and the same an hour later.
  const seconds = Number(headers["webhook-timestamp"]);
  const forged = [
    [body.replace("{", "{ "), headers],
    [body, { ...headers, "webhook-id": headers["webhook-id"] + "x" }],
    [body, { ...headers, "webhook-timestamp": String(seconds + 1) }],
    [body, { ...headers, "webhook-timestamp": String(seconds - 3600) }],
  ].filter(([b, h]) => secrets.some((secret) => verifies(secret, b, h))).length;
  const which = by.map((secret) => secrets.indexOf(secret));
  console.log(JSON.stringify({ id: headers["webhook-id"], path: url, by: which, forged, event, raw: { body, headers } }));
  response.writeHead(by.length > 0 ? 204 : 400).end();
});
server.listen(Number(process.env.PORT ?? 0), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
