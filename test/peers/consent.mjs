// Consents in Chromium as a person would, who opens the authorization request of a client.
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

// consent opens start, signs in, looks at the page, and allows the offer whose legend holds
// offer, without the scopes that are to be left out. It returns where the browser was sent.
//
// signIn fills in whatever stands between the first page and the consent page. With through the
// client gets its answer from the browser, otherwise nobody does.
export async function consent({ start, offer, back, without = [], signIn, through = false, proxy }) {
  const args = ["--no-sandbox", ...(proxy ? ["--proxy-server=" + proxy] : [])]; // not for loopback
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args });
  try {
    const page = await browser.newPage({ ignoreHTTPSErrors: !!proxy });
    let answer = "";
    await page.route(back + "**", (route) => {
      answer = route.request().url();
      return through ? route.continue() : route.fulfill({ status: 200, contentType: "text/plain", body: "done" });
    });
    // Pages of node-oidc-provider name a font elsewhere.
    await page.route((u) => u.hostname !== "127.0.0.1" && !proxy, (route) => route.abort());
    await page.goto(start);
    await signIn(page);
    const fields = page.locator("fieldset", { hasText: offer });
    await Promise.race([fields.waitFor(), page.waitForURL(back + "**")]);
    const shown = await page.innerText("body");
    if (answer) return { back: answer, shown }; // nothing is offered here
    const cookies = (await page.context().cookies(start)).map((c) => c.name);
    for (const scope of without) await fields.locator(`input[value=${scope}]`).uncheck();
    await fields.locator("button", { hasText: "Allow" }).click();
    await page.waitForURL(back + "**");
    const end = await page.innerText("body");
    const after = (await page.context().cookies(start)).map((c) => c.name);
    return { back: answer, shown, cookies, end, after };
  } finally {
    await browser.close();
  }
}

// byKey signs in with the API key of an admin.
export const byKey = (key) => async (page) => {
  await page.fill("input[name=key]", key);
  await page.click("text=Sign in >> nth=-1");
};

// byIssuer has a person sign in at people.mjs, through the link that leads there if there is one.
export const byIssuer = (person) => async (page) => {
  const link = page.locator("a", { hasText: "Sign in with" });
  if (await link.count()) await link.click();
  await page.fill("input[name=login]", person);
  await page.fill("input[name=password]", "any");
  await page.click("button[type=submit]");
  await page.click("text=Continue");
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { START, KEY, PERSON, OFFER, BACK, WITHOUT, THROUGH, LINK, PROXY } = process.env;
  const signIn = LINK ? (page) => page.click("text=" + LINK) : PERSON ? byIssuer(PERSON) : byKey(KEY);
  console.log(JSON.stringify(await consent({ start: START, offer: OFFER, back: BACK, signIn, through: !!THROUGH,
    without: WITHOUT ? [WITHOUT] : [], proxy: PROXY })));
}
