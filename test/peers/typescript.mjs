// Makes a TypeScript client of a served Swagger document, and sends, lists and reads a mail with it.
// Usage: DOCUMENT, KEY, MAILBOX and OUTPUT (a directory) in the environment.
import { generateApi } from "swagger-typescript-api";
import { pathToFileURL } from "node:url";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import ts from "typescript";

const env = process.env;
const document = await (await fetch(env.DOCUMENT)).json();
await generateApi({ fileName: "multimail.ts", output: env.OUTPUT, spec: document, silent: true });
const source = readFileSync(join(env.OUTPUT, "multimail.ts"), "utf8");

// The client must be good TypeScript: a call with another body must not compile.
const good = `import { Api } from "./multimail";
const api = new Api();
api.send.sendAny({ to: ["ada@dest.test"], subject: "s", markdown: "m" }).then((r) => r.data.id.length);
`;
writeFileSync(join(env.OUTPUT, "good.ts"), good);
writeFileSync(join(env.OUTPUT, "bad.ts"), good.replace('subject: "s"', "subject: 1"));
const compile = (name) => ts.getPreEmitDiagnostics(ts.createProgram([join(env.OUTPUT, name)], {
  strict: true, noEmit: true, skipLibCheck: true, types: [], target: ts.ScriptTarget.ES2022,
  module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ["lib.es2022.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
})).map((d) => ts.flattenDiagnosticMessageText(d.messageText, "\n"));
const faults = compile("good.ts");
if (faults.length) throw new Error(faults.join("\n"));
if (!compile("bad.ts").length) throw new Error("a subject that is a number compiles");

const module = join(env.OUTPUT, "multimail.mjs");
writeFileSync(module, ts.transpileModule(source, { compilerOptions: {
  module: ts.ModuleKind.ESNext, target: ts.ScriptTarget.ES2022 } }).outputText);
const { Api } = await import(pathToFileURL(module).href);
const api = new Api({ baseApiParams: { headers: { Authorization: env.KEY }, format: "json" } });

const sent = await api.send.sendAny({ to: ["ada@dest.test"], subject: "By its client", markdown: "Good *morning*." });
const listed = await api.mailboxes.checkInbox(env.MAILBOX);
if (!listed.data.emails.some((m) => m.id === sent.data.id)) throw new Error("the mail is not listed");
const read = await api.mailboxes.readEmail(env.MAILBOX, sent.data.id);
console.log(sent.status, read.data.subject, read.data.status);
