// Opens an authorization request in Chromium as a person would: signs in with the key of an
// admin, looks at the consent page, and allows the offer whose legend holds OFFER.
import { chromium } from "playwright-core";

const { START, KEY, OFFER, BACK } = process.env;
const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox"] });
const page = await browser.newPage();
let back = "";
await page.route(BACK + "**", (route) => {
  back = route.request().url();
  return route.fulfill({ status: 200, contentType: "text/plain", body: "done" });
});
await page.goto(START);
await page.fill("input[name=key]", KEY);
await page.click("text=Sign in >> nth=-1");
const offer = page.locator("fieldset", { hasText: OFFER });
const shown = await page.innerText("body");
const cookies = (await page.context().cookies()).map((c) => c.name);
await offer.locator("button", { hasText: "Allow" }).click();
await page.waitForURL(BACK + "**");
const after = (await page.context().cookies()).map((c) => c.name);
await browser.close();
console.log(JSON.stringify({ back, shown, cookies, after }));
