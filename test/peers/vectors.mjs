// Runs the published vectors over the script of the verify page, as it is served.
import { readFileSync } from "node:fs";

const script = readFileSync(process.env.PAGE, "utf8").match(/<script>([^]*)<\/script>/)[1];
const MultiMail = new Function(script + "\nreturn MultiMail;")();
const load = (name) => JSON.parse(readFileSync(process.env.VECTORS + "/" + name, "utf8"));
const wrong = [], counts = {};
const want = (file, name, got, expected) => {
  counts[file] = (counts[file] ?? 0) + 1;
  if (JSON.stringify(got) !== JSON.stringify(expected)) wrong.push({ name, got, expected });
};

const header = load("header.json");
for (const v of header.vectors) {
  const r = await MultiMail.verify(v.mail, async () => header.documents[v.document] ?? "", v.received_at ?? 0);
  want("header", v.group + ": " + v.name, [r.status, r.checks.filter((c) => !c.ok).map((c) => c.name)],
    [v.status, v.failed ?? []]);
}
for (const v of load("content.json").vectors) want("content", v.name, await MultiMail.content.hash(v.mail), v.th);
const hashes = load("hashes.json");
for (const v of hashes.rh) want("rh", v.name, await MultiMail.recipientsHash(MultiMail.fieldsOf(v.header)), v.rh);
for (const v of hashes.bh) want("bh", v.name, await MultiMail.bodyHash(v.body), v.bh);
for (const v of hashes.mid) {
  const id = MultiMail.messageID(MultiMail.trim(v.value));
  want("mid", v.name, id === null ? null : await MultiMail.short(id), v.mid);
}
// What is long in a mail costs no more than its octets: the time for 4n is at most
// 10 times that for n, by the clock of this process alone.
const cpu = async (f) => {
  const before = process.cpuUsage();
  await f();
  const used = process.cpuUsage(before);
  return used.user + used.system;
};
const costly = {
  "blanks before a letter": (n) => "X: " + " ".repeat(n) + "x\r\n",
  "a reference without end": (n) => "&" + "a".repeat(n),
  "open comments": (n) => "<!---->".repeat(n / 7),
  "tags that end nowhere": (n) => "<a " + "b=c ".repeat(n / 4),
  "quoted words": (n) => "To: " + '"a" '.repeat(n / 4) + "\r\n",
};
const grows = {};
for (const [name, make] of Object.entries(costly)) {
  const use = async (n) => {
    const text = make(n);
    MultiMail.values(MultiMail.fieldsOf(text), "x");
    MultiMail.recipients(MultiMail.fieldsOf(text));
    try { MultiMail.htmlText(text); } catch (e) { if (!(e instanceof MultiMail.None)) throw e; }
  };
  await use(1 << 18);
  const small = await cpu(() => use(1 << 20)), large = await cpu(() => use(1 << 22));
  if (large > 10 * small + 200_000) grows[name] = [small, large];
}
console.log(JSON.stringify({ counts, wrong, grows }));
