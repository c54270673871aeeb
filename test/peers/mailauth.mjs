// Verifies DKIM and DMARC of a mail file with mailauth and a fixed DNS.
// DNS is a JSON object of TXT records by name.
import { authenticate } from "mailauth";
import { readFileSync } from "node:fs";

const zone = JSON.parse(process.env.DNS);
const result = await authenticate(readFileSync(process.env.EML), {
  disableArc: true,
  disableBimi: true,
  resolver: async (name, type) => {
    if (type === "TXT" && zone[name]) return [[zone[name]]];
    const e = new Error("no such name");
    e.code = "ENOTFOUND";
    throw e;
  },
});
console.log(
  JSON.stringify({
    dkim: result.dkim.results.map((r) => ({ result: r.status.result, algo: r.algo, aligned: r.status.aligned })),
    dmarc: result.dmarc?.status?.result,
  }),
);
