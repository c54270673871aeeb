// Consents in Chromium as a person would, who opens the authorization request of a client.
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

// consent opens start, signs in, looks at the page, and allows the offer whose legend holds
// offer, without the scopes that are to be left out. It returns where the browser was sent.
//
// signIn fills in whatever stands between the first page and the consent page.
export async function consent({ start, offer, back, without = [], signIn }) {
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    let answer = "";
    await page.route(back + "**", (route) => {
      answer = route.request().url();
      return route.fulfill({ status: 200, contentType: "text/plain", body: "done" });
    });
    await page.goto(start);
    await signIn(page);
    if (answer) return { back: answer }; // the browser was sent back without a question
    const fields = page.locator("fieldset", { hasText: offer });
    const shown = await page.innerText("body");
    const cookies = (await page.context().cookies(start)).map((c) => c.name);
    for (const scope of without) await fields.locator(`input[value=${scope}]`).uncheck();
    await fields.locator("button", { hasText: "Allow" }).click();
    await page.waitForURL(back + "**");
    const after = (await page.context().cookies(start)).map((c) => c.name);
    return { back: answer, shown, cookies, after };
  } finally {
    await browser.close();
  }
}

// byKey signs in with the API key of an admin.
export const byKey = (key) => async (page) => {
  await page.fill("input[name=key]", key);
  await page.click("text=Sign in >> nth=-1");
};

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const { START, KEY, OFFER, BACK } = process.env;
  console.log(JSON.stringify(await consent({ start: START, offer: OFFER, back: BACK, signIn: byKey(KEY) })));
}
