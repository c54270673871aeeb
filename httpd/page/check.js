"use strict";
// Checks the identity header of a mail as docs/identity.md says, section by
// section. It needs WebCrypto and nothing else, and writes to no document. Octets
// are kept in strings of U+0000 to U+00FF ("octet strings").
const MultiMail = (() => {
  class Fault extends Error {} // a check that fails; its text is for people
  class None extends Error {} // there is no th (section 6)
  const none = () => { throw new None(); };
  const fail = (text) => { throw new Fault(text); };

  // Octets, base64 and hashes.
  const octetsOf = (text) => Uint8Array.from(text, (c) => c.charCodeAt(0));
  const textOf = (bytes) => {
    let out = "";
    for (let i = 0; i < bytes.length; i += 8192) out += String.fromCharCode(...bytes.subarray(i, i + 8192));
    return out;
  };
  const utf8 = (text) => textOf(new TextEncoder().encode(text));
  const fromUTF8 = (text) => new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(octetsOf(text));
  const sha256 = async (text) => textOf(new Uint8Array(await crypto.subtle.digest("SHA-256", octetsOf(text))));
  const base64url = (text) => btoa(text).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
  const short = async (text) => base64url((await sha256(text)).slice(0, 16));
  const decode = (text) => { // base64url in the only form that an encoder writes
    if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) fail("not base64url");
    const out = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
    return base64url(out) === text ? out : fail("not in the shortest form of base64url");
  };

  // Strict JSON: one object, every name once, no half of a surrogate pair. Objects
  // become Maps, whole numbers BigInts.
  const tokenJSON = (octets) => parseJSON(octets, /^[a-z0-9_]+$/, 4);
  const parseJSON = (octets, names, most) => {
    let text, at = 0;
    try { text = fromUTF8(octets); } catch { fail("not UTF-8"); }
    const half = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
    const quoted = () => {
      const s = JSON.parse(take(string) ?? fail("malformed JSON"));
      return half.test(s) ? fail("half a character in JSON") : s;
    };
    const take = (re) => {
      re.lastIndex = at;
      const m = re.exec(text);
      if (m) at += m[0].length;
      return m && m[0];
    };
    const blanks = /[ \t\r\n]*/y, plain = /true|false|null/y, number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
    const string = /"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"/y;
    const value = (depth) => {
      take(blanks);
      const c = text[at];
      if (c === '"') return quoted();
      if (c === "{" || c === "[") {
        if (depth > most) fail("nested too deep");
        at++;
        return c === "{" ? object(depth) : array(depth);
      }
      const word = take(plain);
      if (word) return JSON.parse(word);
      const n = take(number) ?? fail("malformed JSON");
      return /^-?\d+$/.test(n) ? BigInt(n) : Number(n);
    };
    const list = (end, one) => {
      for (let first = true; ; first = false) {
        take(blanks);
        if (text[at] === end && first) return void at++;
        one();
        take(blanks);
        const c = text[at++];
        if (c === end) return;
        if (c !== ",") fail("malformed JSON");
      }
    };
    const array = (depth) => {
      const out = [];
      list("]", () => out.push(value(depth + 1)));
      return out;
    };
    const object = (depth) => {
      const out = new Map();
      list("}", () => {
        take(blanks);
        const name = quoted();
        if (!names.test(name) || out.has(name)) fail("a name stands twice or is not in lower case");
        take(blanks);
        if (text[at++] !== ":") fail("malformed JSON");
        out.set(name, value(depth + 1));
      });
      return out;
    };
    take(blanks);
    if (text[at] !== "{") fail("not a JSON object");
    const out = value(0);
    take(blanks);
    return at === text.length ? out : fail("something follows the object");
  };

  // Section 5: fields and their hashes.
  const trim = (s) => { // in one pass, whatever is in s
    let from = 0, to = s.length;
    while (from < to && (s[from] === " " || s[from] === "\t")) from++;
    while (to > from && (s[to - 1] === " " || s[to - 1] === "\t")) to--;
    return s.slice(from, to);
  };
  const unfold = (s) => s.replace(/\r\n(?=[ \t])/g, "");
  const splitMessage = (raw) => {
    if (raw.startsWith("\r\n")) return ["", raw.slice(2)];
    const end = raw.indexOf("\r\n\r\n");
    return end < 0 ? [raw, ""] : [raw.slice(0, end + 2), raw.slice(end + 4)];
  };
  const fieldsOf = (header) => { // [name in lower case, value as it stands, name]
    const out = [];
    for (const line of unfolded(header)) {
      const colon = line.indexOf(":");
      if (colon > 0) out.push([trim(line.slice(0, colon)).toLowerCase(), line.slice(colon + 1), trim(line.slice(0, colon))]);
    }
    return out;
  };
  const unfolded = (header) => { // lines with their continuations, CRLF kept inside
    const out = [];
    for (const line of header.replace(/\r\n$/, "").split("\r\n")) {
      if (/^[ \t]/.test(line) && out.length) out[out.length - 1] += "\r\n" + line;
      else out.push(line);
    }
    return header === "" ? [] : out;
  };
  const values = (fields, name) => fields.filter((f) => f[0] === name).map((f) => trim(unfold(f[1])));
  const bodyHash = async (body) => {
    const lines = body.split("\r\n").map((l) => l.replace(/[ \t]+/g, " ").replace(/ $/, ""));
    while (lines.length && lines[lines.length - 1] === "") lines.pop();
    return btoa(await sha256(lines.map((l) => l + "\r\n").join("")));
  };
  const messageID = (value) => {
    const m = /^<([!-~]+)>$/.exec(value);
    return m && !/[<>(),;"\\]/.test(m[1]) ? m[1] : null;
  };

  // Section 5.2: the grammar of From, To and Cc.
  const atext = "[A-Za-z0-9!#$%&'*+\\-/=?^_`{|}~]", label = "[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?";
  class Addresses {
    constructor(value) { this.text = value; this.at = 0; this.list = []; }
    take(source) {
      const re = new RegExp("[ \\t]*(" + source + ")", "y");
      re.lastIndex = this.at;
      const m = re.exec(this.text);
      if (m) this.at = re.lastIndex;
      return m && m[1];
    }
    end() { return /^[ \t]*$/.test(this.text.slice(this.at)); }
    address(source = "[ \\t]*") { // no blanks inside, any before
      const re = new RegExp(source + "(" + atext + "+(?:\\." + atext + "+)*)@(" + label + "(?:\\." + label + ")+)", "y");
      re.lastIndex = this.at;
      const m = re.exec(this.text);
      if (!m) return null;
      const [, local, domain] = m;
      if (local.length > 64 || local.includes("=?") || domain.length > 253 || local.length + domain.length + 1 > 254 ||
          /(^|\.)\d+$/.test(domain)) return null;
      this.at = re.lastIndex;
      return { local, domain: domain.toLowerCase() };
    }
    phrase() {
      let n = 0;
      const word = "(?:" + atext + '|\\.)+|"(?:[\\t -!#-?A-[\\]-~]|\\\\["\\\\])*"';
      while (this.take(word) !== null) n++;
      return n > 0;
    }
    mailbox() { // null where there is none
      const bare = this.address();
      if (bare) return bare;
      this.phrase();
      return this.angle();
    }
    angle() {
      if (!this.take("<")) return null;
      const a = this.address(""); // no blanks inside the brackets
      return a && this.text[this.at++] === ">" ? a : null;
    }
    item() {
      const from = this.at, one = this.mailbox();
      if (one) return this.list.push(one) > 0;
      this.at = from;
      if (!this.phrase() || !this.take(":")) return false;
      if (this.take(";")) return true;
      do {
        const member = this.mailbox();
        if (!member) return false;
        this.list.push(member);
      } while (this.take(","));
      return this.take(";") !== null;
    }
    all() { // null where the value does not follow the grammar
      if (this.end()) return this.list;
      do if (!this.item()) return null; while (this.take(","));
      return this.end() ? this.list : null;
    }
    one() {
      const a = this.mailbox();
      return a && this.end() ? a : null;
    }
  }
  const recipients = (fields) => { // sorted addresses, null where there is no rh
    const out = [];
    for (const name of ["to", "cc"]) {
      const found = values(fields, name);
      const list = found.length > 1 ? null : new Addresses(found[0] ?? "").all();
      if (!list) return null;
      out.push(...list.map((a) => (a.local + "@" + a.domain).toLowerCase()));
    }
    return out.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));
  };
  const recipientsHash = async (fields) => {
    const list = recipients(fields);
    return list && short(list.join("\n"));
  };

  // Section 8, step 2: the message is read in one way.
  const once = new Set(["from", "sender", "to", "cc", "subject", "date", "message-id", "reply-to", "in-reply-to",
    "references", "mime-version", "content-type", "content-transfer-encoding", "content-disposition"]);
  const checkForm = (raw) => {
    if (raw.includes("\0")) fail("it has a NUL");
    if (/\r(?!\n)|(?:^|[^\r])\n/.test(raw)) fail("a CR or LF stands alone");
    if (!raw.endsWith("\r\n")) fail("its last line does not end");
    if (raw.split("\r\n").some((l) => l.length > 998)) fail("a line is longer than 998 octets");
    if (!raw.startsWith("\r\n") && !raw.includes("\r\n\r\n")) fail("there is no empty line below the header");
    const [header] = splitMessage(raw), seen = new Set();
    for (const line of unfolded(header)) {
      const [first, ...more] = line.split("\r\n"), colon = first.indexOf(":"), name = first.slice(0, Math.max(colon, 0));
      if (!/^[!-9;-~]+$/.test(name)) fail("a line of the header is no field");
      if (more.some((l) => /^[ \t]*$/.test(l))) fail("a field goes on with a blank line");
      if (!/^[\t -~]*$/.test(first + more.join(""))) fail("a field has an octet that is not printable ASCII");
      const key = name.toLowerCase();
      if (once.has(key) && seen.has(key)) fail("there are two fields " + name);
      seen.add(key);
    }
  };

  // Section 8, step 3: the token.
  const text = (m, name) => (m.get(name) === null ? undefined : m.get(name));
  const claimTypes = {
    agent_ref: "string", ai_generated: "boolean", bh: "string!", iss: "string!", jti: "string!", mid: "string",
    operator: "string!", oversight_mode: "string!", rh: "string", service: "string!", sub: "string!", th: "string",
    verified_operator: "boolean",
  };
  const parseToken = (value) => {
    if (value.length > 4096) fail("longer than 4096 octets");
    if (!/^[A-Za-z0-9_.-]*$/.test(value)) fail("a character that no token has, such as a blank");
    const part = value.split(".");
    if (part.length !== 3) fail(part.length + " parts instead of 3");
    const head = tokenJSON(decode(part[0])), kid = head.get("kid");
    if (head.get("alg") !== "ES256") fail("another algorithm than ES256");
    if (head.get("typ") !== "multimail-identity+jwt") fail("another type than multimail-identity+jwt");
    if (head.size !== 3 || typeof kid !== "string" || decode(kid).length !== 12) fail("the protected header is another");
    const claims = tokenJSON(decode(part[1])), signature = decode(part[2]);
    if (signature.length !== 64) fail("the signature has not 64 octets");
    checkClaims(claims);
    return { kid, claims, signature, signing: part[0] + "." + part[1] };
  };
  const whole53 = (v) => typeof v === "bigint" && v > -(2n ** 53n) && v < 2n ** 53n;
  const checkClaims = (claims) => {
    for (const [name, type] of Object.entries(claimTypes)) {
      const v = text(claims, name);
      const must = type.endsWith("!");
      if (v === undefined ? must : typeof v !== type.replace("!", "") || must && v === "") fail("the claim " + name + " is not right");
    }
    const approval = text(claims, "approval"), iat = text(claims, "iat"), may = text(claims, "capabilities");
    if (!(approval instanceof Map) || typeof approval.get("by") !== "string" || approval.get("by") === "") fail("the claim approval is not right");
    const at = text(approval, "at"), ref = text(approval, "ref");
    if (at !== undefined && !whole53(at) || ref !== undefined && typeof ref !== "string") fail("the claim approval is not right");
    if (!whole53(iat) || iat <= 0n) fail("the claim iat is not right");
    if (may !== undefined && !(Array.isArray(may) && may.every((c) => typeof c === "string" && c !== ""))) fail("the claim capabilities is not right");
    if (claims.get("service") !== "multimail") fail("not a token of this kind");
  };

  // Section 7: keys.
  const thumbprint = async (x, y) =>
    base64url(await sha256('{"crv":"P-256","kty":"EC","x":"' + x + '","y":"' + y + '"}')).slice(0, 16);
  const whole = (v, what) => (v === undefined || v === null ? 0 : Number.isSafeInteger(v) ? v : fail(what + " is no time"));
  // plain makes objects of Maps, and numbers of BigInts that fit.
  const plain = (v) => (v instanceof Map ? Object.fromEntries([...v].map(([name, one]) => [name, plain(one)]))
    : Array.isArray(v) ? v.map(plain) : typeof v === "bigint" && whole53(v) ? Number(v) : v);
  const findKey = async (doc, kid) => {
    if (utf8(doc).length > 256 << 10) fail("the key document is too large");
    let d;
    try { d = plain(parseJSON(utf8(doc), /^/, 100)); } catch { fail("the key document is no JSON"); }
    const isObject = (o) => o !== null && typeof o === "object" && !Array.isArray(o);
    if (!isObject(d) || d.keys !== undefined && d.keys !== null && !(Array.isArray(d.keys) && d.keys.every(isObject))) {
      fail("the key document is not an object of keys");
    }
    let found = (d.keys ?? []).filter((k) => k.kid === kid);
    if (found.length > 1) fail("the key document has two keys " + kid);
    if (!found.length && d.kid === kid) found = [d];
    if (!found.length) fail("the key document has no key " + kid);
    const k = found[0];
    for (const name of ["use", "alg", "state", "nbf", "retired_at", "revoked_at", "reason"]) {
      if (k[name] === "" || k[name] === 0) fail("the member " + name + " of the key is empty");
    }
    if (k.kty !== "EC" || k.crv !== "P-256" || (k.alg ?? "") !== "" && k.alg !== "ES256" || (k.use ?? "") !== "" && k.use !== "sig") {
      fail("not a P-256 key for ES256");
    }
    if (k.key_ops != null && !(Array.isArray(k.key_ops) && k.key_ops.includes("verify"))) {
      fail("not a key to verify with");
    }
    if (typeof k.x !== "string" || typeof k.y !== "string" || decode(k.x).length !== 32 || decode(k.y).length !== 32) {
      fail("a coordinate of the key has not 32 octets");
    }
    if (await thumbprint(k.x, k.y) !== kid) fail("the kid is not the beginning of the key's thumbprint");
    return k;
  };
  const time = (seconds) => { // a Date ends in the year 275760, an iat may be later
    const at = new Date(Number(seconds) * 1000);
    return Number.isNaN(at.getTime()) ? "second " + seconds : at.toISOString().replace(".000Z", "Z");
  };
  const judgeKey = (k, iat, receivedAt) => {
    const retired = whole(k.retired_at, "retired_at"), revoked = whole(k.revoked_at, "revoked_at");
    const began = whole(k.nbf, "nbf"), state = k.state ?? "", reason = k.reason ?? "";
    if (!["", "next", "current", "retired", "revoked"].includes(state) || retired < 0 || revoked < 0 || began < 0) {
      fail("the state or the times of the key cannot be meant");
    }
    if (state === "retired" && !retired) fail("the key is retired, and since when is not said");
    const isRevoked = state === "revoked" || revoked > 0 || reason !== "";
    if (isRevoked && (!revoked || !["superseded", "ceased"].includes(reason)) && !(receivedAt && receivedAt < revoked)) {
      fail("the key is compromised: whoever has it chooses the time in a token, so none of its tokens counts");
    }
    if (retired && iat > retired) fail("the key was retired before " + time(iat));
    if (isRevoked && iat > revoked) fail("the key was revoked before " + time(iat));
    return k.kid + (isRevoked ? ", revoked later" : state === "retired" ? ", retired later" : "");
  };
  const importKey = async (k) => {
    try {
      return await crypto.subtle.importKey("jwk", { kty: "EC", crv: "P-256", x: k.x, y: k.y, ext: true },
        { name: "ECDSA", namedCurve: "P-256" }, true, ["verify"]);
    } catch { return fail("the key is not a point of the curve"); }
  };
  // documentOf makes a key document of what was pasted: JSON as it is, or PEM.
  const documentOf = async (pasted) => {
    if (pasted.trim().startsWith("{")) return pasted.trim();
    const keys = [];
    for (const [, body] of pasted.matchAll(/-----BEGIN PUBLIC KEY-----([\sA-Za-z0-9+/=]*)-----END PUBLIC KEY-----/g)) {
      const der = atob(body.replace(/\s/g, "")), prefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
      const hex = Array.from(der, (c) => c.charCodeAt(0).toString(16).padStart(2, "0")).join("");
      if (der.length !== 91 || !hex.startsWith(prefix + "04")) fail("not a public key on P-256");
      const x = base64url(der.slice(27, 59)), y = base64url(der.slice(59));
      keys.push({ kty: "EC", crv: "P-256", x, y, kid: await thumbprint(x, y) });
    }
    return keys.length ? JSON.stringify({ keys }) : fail("neither a key document, nor a JWK set, nor PEM");
  };

  return { Fault, None, none, fail, utf8, fromUTF8, sha256, short, octetsOf, textOf, trim, unfold, splitMessage, fieldsOf,
    unfolded, values, bodyHash, messageID, Addresses, recipients, recipientsHash, checkForm, parseToken, findKey, judgeKey,
    importKey, documentOf, time };
})();
