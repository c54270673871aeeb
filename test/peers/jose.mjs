// Verifies an identity header as the public documentation shows it: fetch the
// document, import the JWK, verify.
import { createLocalJWKSet, importJWK, jwtVerify } from "jose";
import { readFileSync } from "node:fs";

const eml = readFileSync(process.env.EML, "latin1");
const header = eml.match(/^X-MultiMail-Identity: (.*)\r$/m)[1];
const jwk = await (await fetch(process.env.DOCUMENT)).json();
const key = createLocalJWKSet(jwk);
const { payload, protectedHeader } = await jwtVerify(header, key);
// The document is the current key too, for who imports it as that.
if (jwk.kty && jwk.kid === protectedHeader.kid) await jwtVerify(header, await importJWK(jwk, "ES256"));

let forged = "accepted";
try {
  const [h, p, s] = header.split(".");
  await jwtVerify([h, p.slice(0, -2) + (p.at(-2) === "A" ? "B" : "A") + p.at(-1), s].join("."), key);
} catch {
  forged = "refused";
}
console.log(JSON.stringify({ payload, protectedHeader, forged }));
