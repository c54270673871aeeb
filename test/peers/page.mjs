// Uses the verify page in Chromium, served and as a saved file, and counts what
// it asks of the network.
import { chromium } from "playwright-core";
import { readFileSync } from "node:fs";

const { PAGE, SAVED, EML, DOCUMENT, HOST } = process.env;
const mail = readFileSync(EML, "latin1"), doc = readFileSync(DOCUMENT, "utf8");
const keyURL = "https://" + HOST + "/.well-known/multimail-signing-key";
const lf = (text) => text.replaceAll("\r\n", "\n");
const header = mail.match(/^X-MultiMail-Identity: .*\r\n/m)[0];
const evil = "<img src=x onerror=\"window.hacked=1\"><script>window.hacked=1</script>";
const rows = [
  ["as it left", mail],
  ["changed body", mail + "And more.\r\n"],
  ["pasted header", header + "From: " + mail.match(/^From: (.*)\r$/m)[1] +
    "\r\nMessage-ID: <other@dest.test>\r\nTo: x@dest.test\r\n\r\nPay him.\r\n"],
  ["another sender", mail.replace(/^From: .*\r$/m, "From: eve@" + HOST + "\r")],
  ["no header", mail.replace(header, "")],
  ["markup in From", mail.replace(/^From: .*\r$/m, "From: " + evil + " <eve@" + HOST + ">\r")],
  ["markup in names", mail.replace(/^Subject: .*\r$/m, "Subject: " + evil + "\r\nX<img/src=x/onerror=window.hacked=1>: y\r")],
  ["markup in the token", mail.replace(header, "X-MultiMail-Identity: " + evil + "\r\n")],
  ["markup in claims", mail.replace(header, "X-MultiMail-Identity: " + forged() + "\r\n")],
];

// forged is a token of the form of a good one, whose claims hold markup.
function forged() {
  const [head, payload, signature] = header.trim().split(" ")[1].split(".");
  const claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  claims.iss = claims.operator = evil;
  return [head, Buffer.from(JSON.stringify(claims)).toString("base64url"), signature].join(".");
}

const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const results = {};
for (const [where, url] of [["served", PAGE], ["saved", "file://" + SAVED]]) {
  const context = await browser.newContext();
  const asked = [], out = { statuses: {}, policy: [] };
  let answer = { status: 200, contentType: "application/json", body: doc };
  await context.route("**/*", (route) => {
    const target = route.request().url();
    if (target === url) return route.continue();
    asked.push(target);
    return target === keyURL ? route.fulfill({ ...answer, headers: { "Access-Control-Allow-Origin": "*" } }) : route.abort();
  });
  const page = await context.newPage();
  page.on("dialog", (d) => { out.dialog = true; return d.dismiss(); });
  page.on("pageerror", (e) => { out.error = String(e); });
  await page.goto(url);
  const check = async (text, key) => {
    await page.fill("#mail", lf(text));
    await page.fill("#key", key);
    await page.click("#check");
    await page.waitForSelector("#result h2");
    return page.textContent("#result h2");
  };
  for (const [name, text] of rows) out.statuses[name] = await check(text, doc);
  out.unboundText = (await check(rows[1][1], doc), await page.textContent("#result"));
  out.hacked = await page.evaluate(() => window.hacked ?? document.querySelectorAll("#result img, #result script").length);
  out.before = [...asked];

  // Without a key a button names the host; only a click asks it.
  out.withoutKey = await check(mail, "");
  out.button = await page.textContent("#result button");
  out.unclicked = [...asked];
  await page.click("#result button");
  await page.waitForSelector("#result h2.valid");
  out.clicked = [...asked];
  // What the host answers is data too.
  for (const [name, other] of Object.entries({
    "another type": { status: 200, contentType: "text/html", body: doc },
    "not found": { status: 404, contentType: "application/json", body: doc },
    "too large": { status: 200, contentType: "application/json", body: " ".repeat(256 << 10) + doc },
    "markup": { status: 200, contentType: "application/json", body: evil },
  })) {
    answer = other;
    await check(mail, "");
    await page.click("#result button");
    await page.waitForFunction(() => document.querySelectorAll("#result h2").length === 1);
    out.statuses["document: " + name] = await page.textContent("#result h2");
  }
  asked.length = 0;
  // A file keeps its octets.
  await page.setInputFiles("#file", { name: "mail.eml", mimeType: "message/rfc822", buffer: Buffer.from(mail, "latin1") });
  await page.fill("#key", doc);
  await page.click("#check");
  await page.waitForSelector("#result h2.valid");
  out.file = await page.textContent("#result h2");

  // The policy: no other path or host, no script and no markup that is added.
  const refused = async (what, f, arg) => {
    const before = asked.length, ok = await page.evaluate(f, arg).catch(() => false);
    if (ok || asked.length !== before) out.policy.push(what);
  };
  const reach = (target) => fetch(target, { mode: "no-cors" }).then(() => true);
  await refused("another path", reach, "https://" + HOST + "/collect?mail=x");
  await refused("another path of another host", reach, "https://evil.example/");
  await refused("http", reach, "http://" + HOST + "/.well-known/multimail-signing-key");
  await refused("an image", (u) => new Promise((ok) => {
    const i = new Image();
    i.onload = () => ok(true);
    i.onerror = () => ok(false);
    i.src = u;
  }), "https://evil.example/x.png");
  await refused("an inline script", () => {
    const s = document.createElement("script");
    try { s.textContent = "window.added = 1"; } catch { return false; }
    document.body.append(s);
    return window.added === 1;
  });
  await refused("markup", () => { document.body.innerHTML = "<b>x</b>"; return true; });
  results[where] = out;
  await context.close();
}
await browser.close();
console.log(JSON.stringify(results));
