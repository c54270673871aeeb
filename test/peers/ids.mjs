// Reads the authserv-id of each Authentication-Results field of a JSON list, in FILE,
// with the parser of mailauth; "" where it reads none.
import { parseHeaders } from "mailauth/lib/tools.js";
import parse from "mailauth/lib/parse-dkim-headers.js";
import { readFileSync } from "node:fs";

const out = JSON.parse(readFileSync(process.env.FILE)).map((field) => {
  try {
    const row = parseHeaders(Buffer.from(`${field}\r\n`)).parsed.find((r) => r.key === "authentication-results");
    return row ? String(parse(row.line)?.parsed?.value?.value ?? parse(row.line)?.parsed?.value ?? "") : "";
  } catch {
    return "";
  }
});
console.log(JSON.stringify(out));
