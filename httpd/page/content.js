// The content hash th of docs/identity.md, section 6. Whatever two programs could
// read in two ways throws None.
MultiMail.content = (() => {
  const M = MultiMail, none = M.none;
  const token = "[!#$%&'*+\\-.0-9A-Z^_`a-z{|}~]+";
  const typeHead = new RegExp("^[ \\t]*(" + token + ")/(" + token + ")", "");
  const attribute = new RegExp("[ \\t]*;[ \\t]*(" + token + ")=(?:(" + token + ')|"([\\t !#-\\[\\]-~]+)")', "y");

  const mimeType = (value) => {
    const m = typeHead.exec(value) ?? none();
    const type = (m[1] + "/" + m[2]).toLowerCase(), attributes = new Map();
    let at = m[0].length;
    for (let a; (attribute.lastIndex = at, a = attribute.exec(value)); at = attribute.lastIndex) {
      const name = a[1].toLowerCase();
      if (attributes.has(name) || /^(charset|boundary)\*/.test(name)) none();
      attributes.set(name, a[2] ?? a[3]);
    }
    if (!/^[ \t]*(;[ \t]*)?$/.test(value.slice(at))) none();
    return [type, attributes];
  };

  const header = (text) => { // the three fields that count
    const out = {}, lines = [];
    for (const line of text === "" ? [] : text.replace(/\r\n$/, "").split("\r\n")) {
      if (/^[ \t]/.test(line)) {
        if (!lines.length) none();
        lines[lines.length - 1] += line;
      } else {
        lines.push(line);
      }
    }
    for (const line of lines) {
      const m = /^([!-9;-~]+):([^]*)$/.exec(line) ?? none();
      const name = m[1].toLowerCase();
      if (!["content-type", "content-transfer-encoding", "content-disposition"].includes(name)) continue;
      if (name in out || m[2].length > 4096) none();
      out[name] = M.trim(m[2]);
    }
    return out;
  };

  const transfer = (encoding, body) => {
    switch (encoding) {
      case "7bit": case "8bit": case "binary":
        return body;
      case "base64": {
        const b = body.replace(/[ \t\r\n]/g, "");
        return b.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(b) ? atob(b) : none();
      }
      case "quoted-printable": {
        const lines = body.split("\r\n");
        let out = "";
        lines.forEach((line, i) => {
          line = line.replace(/[ \t]+$/, "");
          const soft = line.endsWith("=");
          out += quoted(soft ? line.slice(0, -1) : line) + (soft || i === lines.length - 1 ? "" : "\r\n");
        });
        return out;
      }
    }
    return none();
  };
  const quoted = (line) => {
    if (!/^(?:[\t -<>-~]|=[0-9A-Fa-f]{2})*$/.test(line)) none();
    return line.replace(/=(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16)));
  };

  const windows = [0x20ac, 0, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0, 0x17d, 0,
    0, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a, 0x153, 0, 0x17e, 0x178];
  const control = /[\u0000-\u0008\u000b\u000e-\u001f\u007f-\u009f]/;
  const charset = (name, data) => {
    let text = data;
    switch (name) {
      case "us-ascii": if (/[^\u0000-\u007f]/.test(data)) none(); break;
      case "utf-8": try { text = M.fromUTF8(data); } catch { none(); } break;
      case "iso-8859-1": break;
      case "windows-1252":
        text = data.replace(/[\u0080-\u009f]/g, (c) => String.fromCharCode(windows[c.charCodeAt(0) - 0x80] || none()));
        break;
      default: none();
    }
    return control.test(text) ? none() : text;
  };

  const words = (text) => { // section 6.6
    if (/[\p{M}\u1160-\u11ff]{13}/u.test(text)) none();
    return text.normalize("NFC")
      .replace(/[\u0009-\u000d\u0020\u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/g, " ")
      .replace(/^ | $/g, "");
  };

  const read = async (raw) => {
    const found = { plain: [], html: [], files: [], entities: 0, octets: 0 };
    await entity(raw, 0, found);
    return found;
  };
  const entity = async (raw, depth, found) => {
    if (++found.entities > 1000) none();
    let head = "", body = raw.slice(2);
    if (!raw.startsWith("\r\n")) {
      const end = raw.indexOf("\r\n\r\n");
      if (end < 0) none();
      [head, body] = [raw.slice(0, end + 2), raw.slice(end + 4)];
    }
    const fields = header(head);
    const [type, attributes] = "content-type" in fields ? mimeType(fields["content-type"]) : ["text/plain", new Map()];
    const encoding = (fields["content-transfer-encoding"] ?? "").toLowerCase() || "7bit";
    let disposition = "inline";
    if ("content-disposition" in fields) {
      disposition = M.trim(fields["content-disposition"].split(";")[0]).toLowerCase();
      if (disposition !== "inline" && disposition !== "attachment") none();
    }
    if (type.startsWith("multipart/")) return multipart(type, attributes, encoding, disposition, body, depth + 1, found);
    const data = transfer(encoding, body);
    if (disposition === "attachment" || type !== "text/plain" && type !== "text/html") {
      found.files.push(await M.sha256(data));
      return;
    }
    if (attributes.has("delsp") || (found.octets += data.length) > 4194304) none();
    let text = charset((attributes.get("charset") ?? "us-ascii").toLowerCase(), data);
    if (type === "text/html") text = M.htmlText(text);
    text = words(text);
    if (text !== "") found[type === "text/html" ? "html" : "plain"].push(text);
  };
  const multipart = async (type, attributes, encoding, disposition, body, depth, found) => {
    const boundary = attributes.get("boundary") ?? "";
    if (depth > 10 || type === "multipart/digest" || disposition === "attachment" ||
        !["7bit", "8bit", "binary"].includes(encoding) || !/^[A-Za-z0-9'()+_,\-.\/:=?]{1,70}$/.test(boundary)) none();
    let part = null, ended = false;
    const parts = [];
    for (const line of body.split("\r\n")) {
      if (!line.startsWith("--" + boundary)) {
        if (part) part.push(line);
        continue;
      }
      const rest = line.slice(boundary.length + 2).replace(/[ \t]+$/, "");
      if (rest !== "" && rest !== "--") none();
      if (part) parts.push(part.join("\r\n"));
      part = [];
      if (rest === "--") { ended = true; break; }
    }
    if (!ended || !parts.length) none();
    for (const p of parts) await entity(p, depth, found);
  };

  const frame = (text) => {
    let length = "";
    for (let i = 7, n = text.length; i >= 0; i--, n = Math.floor(n / 256)) length = String.fromCharCode(n % 256) + length;
    return length + text;
  };
  const hash = async (raw) => { // null where there is no th
    try {
      const found = await read(raw);
      const frames = [M.utf8(found.plain.join("\n")), M.utf8(found.html.join("\n")), found.files.sort().join("")];
      return frames.every((f) => f === "") ? null : M.short(frames.map(frame).join(""));
    } catch (e) {
      if (e instanceof M.None) return null;
      throw e;
    }
  };
  return { hash };
})();
