// The steps of docs/identity.md, section 8, but for DKIM: this page asks no DNS.
MultiMail.verify = (() => {
  const M = MultiMail, HEADER = "x-multimail-identity";
  const order = ["message", "header", "from", "issuer", "key", "signature", "sender", "message_id", "body", "content",
    "recipients", "ai_generated", "date"];
  const transit = ["received", "return-path", "dkim-signature", HEADER];

  const unbound = (fields, claims) => {
    const out = [];
    for (const [key, , name] of fields) {
      if (transit.includes(key) || key === "x-ai-generated" || key === "message-id" && claims.get("mid")) continue;
      const names = key === "from" || claims.get("rh") && (key === "to" || key === "cc");
      const label = names ? name + " (names)" : name;
      if (!out.includes(label)) out.push(label);
    }
    return out;
  };

  // verify checks a mail, an octet string, with the key document that lookup(host,
  // kid) returns. receivedAt, Unix seconds, is of the verifier's own record, or 0.
  return async (raw, lookup, receivedAt = 0) => {
    if (!raw.includes("\r")) raw = raw.replaceAll("\n", "\r\n");
    const result = { status: "invalid", checks: [], claims: null, notBound: [], notChecked: [], host: "" };
    const [head, body] = M.splitMessage(raw);
    const fields = M.fieldsOf(head), tokens = M.values(fields, HEADER);
    if (!tokens.length) return { ...result, status: "none" };
    const check = async (name, what) => {
      try {
        result.checks.push({ name, ok: true, detail: await what() });
        return true;
      } catch (e) {
        // What a browser cannot read fails the check too: no mail leaves the page without an answer.
        result.checks.push({ name, ok: false, detail: e instanceof M.Fault ? e.message : "it cannot be read" });
        return false;
      }
    };
    const same = (claim, says, has) => (says === has ? has : M.fail(claim + " says " + says + ", the message " + (has ?? "nothing")));
    let token, from, key, id;
    const must = [
      ["message", () => { M.checkForm(raw); return "its lines and fields are read in one way"; }],
      ["header", () => {
        if (tokens.length > 1) M.fail(tokens.length + " identity headers");
        token = M.parseToken(tokens[0]);
        return "one well-formed token";
      }],
      ["from", () => {
        const senders = M.values(fields, "from"), ids = M.values(fields, "message-id");
        from = senders.length === 1 && new M.Addresses(senders[0]).one() || M.fail("there is not one plain From address");
        id = ids.length === 1 && M.messageID(ids[0]) || M.fail("there is not one plain Message-ID");
        result.host = from.domain;
        return from.local + "@" + from.domain;
      }],
      ["issuer", () => same("iss", token.claims.get("iss"), "https://" + from.domain)],
      ["key", async () => {
        const iat = Number(token.claims.get("iat")), found = await M.findKey(await lookup(from.domain, token.kid), token.kid);
        key = await M.importKey(found);
        return M.judgeKey(found, iat, receivedAt);
      }],
      ["signature", async () => await crypto.subtle.verify({ name: "ECDSA", hash: "SHA-256" }, key,
        M.octetsOf(token.signature), M.octetsOf(token.signing)) ? "ES256" : M.fail("the signature is not of this key")],
      ["sender", () => same("sub", token.claims.get("sub"), from.local + "@" + from.domain)],
    ];
    for (const [name, what] of must) {
      if (await check(name, what)) continue;
      result.notChecked = order.slice(order.indexOf(name) + 1);
      return result;
    }
    const claims = token.claims, ai = M.values(fields, "x-ai-generated");
    result.claims = claims;
    const has = (name) => (claims.get(name) ?? null) !== null;
    const mid = !has("mid") || await check("message_id", async () => same("mid", claims.get("mid"), await M.short(id)));
    const bh = await check("body", async () => same("bh", claims.get("bh"), await M.bodyHash(body)));
    const th = !has("th") || await check("content", async () => same("th", claims.get("th"), await M.content.hash(raw)));
    const rh = !has("rh") ||
      await check("recipients", async () => same("rh", claims.get("rh"), await M.recipientsHash(fields)));
    const said = !ai.length ||
      await check("ai_generated", () => same("ai_generated", String(claims.get("ai_generated") ?? false), ai.join(", ")));
    await check("date", () => date(fields, Number(claims.get("iat"))));
    result.status = !(mid && th && rh && said) ? "unbound" : bh ? "valid" : has("th") ? "valid-text" : "unbound";
    const made = result.checks.map((c) => c.name);
    result.notChecked = order.filter((n) => n !== "ai_generated" && !made.includes(n)).concat("dkim");
    result.notBound = unbound(fields, claims);
    return result;
  };

  function date(fields, iat) {
    const found = M.values(fields, "date"), at = found.length === 1 ? Date.parse(found[0].replace(/\([^()]*\)/g, "")) / 1000 : NaN;
    if (Number.isNaN(at)) return M.fail("released " + M.time(iat) + "; the Date field cannot be read");
    const text = "released " + M.time(iat) + ", dated " + M.time(at);
    return at - iat <= 600 && iat - at <= 31 * 86400 ? text : M.fail(text);
  }
})();
