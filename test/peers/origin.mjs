// Seals mails, or judges them, with mailauth and a fixed DNS. FILE is a JSON object:
// either key, a PEM, and mails {eml, domain, cv, results} that get one more ARC set;
// or zone, a list of values by "TYPE name", and mails {eml, ip, helo, sender}. A value
// SERVFAIL is no answer. Bytes are base64.
import { authenticate } from "mailauth";
import { sealMessage } from "mailauth/lib/arc/index.js";
import { readFileSync } from "node:fs";

const job = JSON.parse(readFileSync(process.env.FILE));

const none = (code) => Object.assign(new Error(code), { code });
const resolver = async (name, type) => {
  const values = job.zone[`${type} ${name.toLowerCase().replace(/\.$/, "")}`];
  if (!values) throw none("ENOTFOUND");
  if (values.includes("SERVFAIL")) throw none("ESERVFAIL");
  if (type === "TXT") return values.map((v) => [v]);
  if (type === "MX") {
    return values.map((v) => ({ priority: Number(v.split(" ")[0]), exchange: v.split(" ")[1] }));
  }
  return values;
};

const seal = async (m) => {
  const eml = Buffer.from(m.eml, "base64");
  const head = await sealMessage(eml, {
    signingDomain: m.domain,
    selector: "s",
    privateKey: job.key,
    cv: m.cv,
    authResults: m.results,
  });
  return Buffer.concat([head, eml]).toString("base64");
};

const judge = async (m) => {
  const r = await authenticate(Buffer.from(m.eml, "base64"), {
    ip: m.ip,
    helo: m.helo,
    sender: m.sender,
    mta: "mx.receiver.test",
    strict: true,
    disableBimi: true,
    resolver,
  });
  return {
    spf: r.spf?.status?.result,
    dkim: r.dkim.results.map((d) => d.status.result),
    dmarc: r.dmarc ? r.dmarc.status.result : "permerror",
    policy: r.dmarc?.status?.policy?.dmarc ?? r.dmarc?.policy,
    arc: r.arc?.status?.result,
    why: [r.arc?.status?.comment, ...r.dkim.results.map((d) => d.status.comment), r.spf?.status?.comment],
  };
};

const out = [];
for (const m of job.mails) out.push(await (job.key ? seal(m) : judge(m)));
console.log(JSON.stringify(out));
