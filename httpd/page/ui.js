// What the page shows. Text of the mail goes into textContent alone.
(() => {
  if (typeof document === "undefined") return;
  const M = MultiMail, at = (id) => document.getElementById(id);
  const summaries = {
    "valid": "The From domain made this statement about this mail.",
    "valid-text": "The From domain made this statement about the words and files in it. The form was changed on the " +
      "way: styles, attributes and pictures may hide these words or show others.",
    "unbound": "Do not rely on it: the From domain signed the header, but not this content, which was changed, or the " +
      "header was taken from another mail.",
    "invalid": "Do not rely on it: nothing shows that the From domain made this statement.",
    "none": "There is no identity header.",
  };
  // plain shows characters that act on a screen, or on the order of letters, as escapes.
  const plain = (s) => s.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu,
    (c) => "\\u" + c.codePointAt(0).toString(16).padStart(4, "0"));
  const add = (parent, tag, text, kind) => {
    const e = document.createElement(tag);
    e.textContent = plain(text);
    if (kind) e.className = kind;
    return parent.appendChild(e);
  };
  const shown = (v) => (v instanceof Map ? [...v].map(([n, x]) => n + " " + shown(x)).join(", ") :
    Array.isArray(v) ? v.map(shown).join(" ") : String(v));

  const mail = async () => {
    const file = at("file").files[0];
    return file ? M.textOf(new Uint8Array(await file.arrayBuffer())) : M.utf8(at("mail").value);
  };

  // fetchDocument asks the named host, and nobody else, for its key document.
  const fetchDocument = async (host) => {
    const stop = new AbortController(), timer = setTimeout(() => stop.abort(), 10000);
    try {
      const answer = await fetch("https://" + host + "/.well-known/multimail-signing-key", {
        credentials: "omit", mode: "cors", redirect: "error", referrerPolicy: "no-referrer", signal: stop.signal });
      const type = (answer.headers.get("Content-Type") ?? "").split(";")[0].trim().toLowerCase();
      if (answer.status !== 200 || type !== "application/json") throw new Error("no document");
      const reader = answer.body.getReader(), parts = [];
      for (let size = 0, chunk; !(chunk = await reader.read()).done; parts.push(chunk.value)) {
        if ((size += chunk.value.length) > 256 << 10) throw new Error("too large");
      }
      return await new Blob(parts).text();
    } catch {
      return M.fail(host + " did not give its key document to this page");
    } finally {
      clearTimeout(timer);
    }
  };

  const check = async (fetched) => {
    const out = at("result");
    out.textContent = "";
    if (!globalThis.crypto?.subtle) {
      add(out, "p", "This browser checks signatures on pages that come over HTTPS, or from a saved file. Save this page " +
        "and open the file.", "invalid");
      return;
    }
    const pasted = at("key").value.trim();
    const lookup = async () => {
      if (fetched) return fetched();
      return pasted ? M.documentOf(pasted) : M.fail("there is no key yet");
    };
    const r = await M.verify(await mail(), lookup);
    add(out, "h2", r.status, r.status);
    add(out, "p", summaries[r.status]);
    const table = add(out, "table", "");
    for (const c of r.checks) {
      const row = add(table, "tr", "");
      add(row, "td", c.name);
      add(row, "td", c.ok ? "ok" : "FAILED", c.ok ? "" : "invalid");
      add(row, "td", c.detail);
    }
    const last = r.checks[r.checks.length - 1];
    if (last?.name === "key" && !last.ok && !pasted) {
      const button = add(out, "button", "Fetch the key from https://" + r.host);
      button.addEventListener("click", () => check(() => fetchDocument(r.host)));
    }
    if (r.notChecked.length) add(out, "p", "Not checked: " + r.notChecked.join(", "));
    if (r.notBound.length) add(out, "p", "Not bound, anybody may have written or changed: " + r.notBound.join(", "));
    if (!r.claims) return;
    add(out, "h3", "What the domain states");
    const claims = add(out, "table", "");
    for (const [name, value] of r.claims) {
      const row = add(claims, "tr", "");
      add(row, "td", name);
      add(row, "td", shown(value));
    }
  };
  at("check").addEventListener("click", () => check(null));
})();
