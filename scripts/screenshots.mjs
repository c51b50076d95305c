/**
 * Draws with the embedded model in the studio, photographs every view of it for docs/images, and says what the page weighs.
 * usage: node scripts/screenshots.mjs [view … | weight]     (after npm run build; CHROMIUM names another than /usr/bin/chromium)
 */
import { spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { chromium } from "playwright-core";
import sharp from "sharp";
import { median } from "../dist/pipelines/timing.js";

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
/** The most that a picture in the documents may weigh. */
const BYTES = 120_000;
const WIDE = { viewport: { width: 1280, height: 900 }, colorScheme: "light" };
const PHONE = { viewport: { width: 390, height: 780 }, isMobile: true, hasTouch: true, deviceScaleFactor: 2 };
const RUN = "prompt=a+lady+with+blue+eyes&seed=10";

const draws = async (page) => {
  await page.locator("textarea").first().waitFor();
  await page.waitForTimeout(500);
  await page.keyboard.press("Control+Enter");
  await page.locator("progress").first().waitFor();
};
const finished = (page) => page.locator("progress").waitFor({ state: "detached" });
const seen =
  (selector, count = 1) =>
  async (page) => {
    await page
      .locator(selector)
      .nth(count - 1)
      .waitFor();
    await page.locator("[aria-busy=true]").first().waitFor({ state: "detached" });
  };
const drawn = "figure img, figure canvas";

/** Its address, given the newest pictures of the gallery; and what has to happen before it is looked at. */
const VIEWS = {
  "studio-draw": {
    address: () => "/draw?prompt=a+lady+with+%28blue%3A1.3%29+eyes&seed=10",
    ready: async (page) => {
      await draws(page);
      await finished(page);
    },
  },
  "studio-sheet": {
    address: () => `/grid?${RUN}&x=steps&xs=2,5,12&y=guidance&ys=1,5,9`,
    ready: async (page) => {
      await page.getByRole("button", { name: /^Draw/ }).first().waitFor();
      await page.waitForTimeout(500);
      await page.keyboard.press("Control+Enter");
      await page.getByText("9 of 9 drawn").waitFor();
    },
  },
  "studio-gallery": { address: () => "/gallery", ready: seen(".tiles img", 4) },
  "studio-compare": { address: ([a, b]) => `/compare?a=${a}&b=${b}`, ready: seen("main img", 2) },
  "explain-attention": { address: () => `/explain/attention?${RUN}&word=eyes`, ready: seen(".words button") },
  "explain-steps": { address: () => `/explain/steps?${RUN}&step=6`, ready: seen(".picture img, .picture canvas") },
  "explain-ink-drop": {
    address: () => "/explain/ink-drop?drawing=3&t=500&back=1",
    ready: seen("figure.returned[aria-busy=false] img"),
  },
  "explain-words": {
    address: () => "/explain/words?prompt=a+lady+with+blue+eyes&other=a+woman+with+green+eyes",
    ready: seen("td.number"),
  },
  "explain-guidance": {
    address: () => `/explain/guidance?${RUN}&step=6&compare=1`,
    ready: seen(".lanes img", 5),
  },
  "explain-unet": { address: () => "/explain/unet?part=mid_block.attentions.0", ready: seen("[aria-pressed=true]") },
  "explain-latent": { address: () => "/explain/latent?drawing=3&amount=40&channel=2&reach=3", ready: seen(drawn, 2) },
  "explain-race": { address: () => `/explain/race?${RUN}&race=samplers`, ready: seen(".lanes img", 6) },
  "explain-next-word": {
    address: () => "/explain/next-word?prompt=a+lady+with+blue&temperature=1",
    ready: seen("fieldset button"),
  },
  "explain-clip": { address: () => "/explain/clip?drawing=1", ready: seen("td.number") },
};
/** On a phone, beside each other: light, dark, and looking inside. */
const PHONES = [
  ["light", () => `/draw?${RUN}`, draws, finished],
  ["dark", () => "/gallery", seen(".tiles img", 4)],
  ["light", () => `/explain/attention?${RUN}&word=eyes`, seen(".words button")],
];

/** As good as fits. */
async function keep(name, png) {
  for (let quality = 88; ; quality -= 6) {
    const jpeg = await sharp(png).jpeg({ quality, mozjpeg: true }).toBuffer();
    if (jpeg.length > BYTES) continue;
    writeFileSync(at(`docs/images/${name}.jpg`), jpeg);
    const { width, height } = await sharp(jpeg).metadata();
    return console.log(`docs/images/${name}.jpg ${width}×${height}, ${Math.round(jpeg.length / 1000)} kB`);
  }
}

async function photograph(browser, url, look, address, ...steps) {
  const context = await browser.newContext(look);
  const page = await context.newPage();
  page.setDefaultTimeout(120_000);
  page.on("pageerror", (error) => console.error(address, error));
  await page.goto(url + address);
  for (const step of steps) await step(page);
  await page.waitForTimeout(500);
  const height = Math.min(1400, await page.evaluate("document.documentElement.scrollHeight"));
  if (!look.isMobile) await page.setViewportSize({ width: look.viewport.width, height: Math.max(640, height) });
  await page.waitForTimeout(300);
  const png = await page.screenshot();
  await context.close();
  return png;
}

async function picturesOf(url) {
  const { pictures } = await (await fetch(`${url}/api/gallery?limit=50`)).json();
  return pictures.map(({ id }) => id);
}

/** What the gallery has before anything is photographed. */
async function fill(url) {
  for (const [prompt, seed, count] of [
    ["two red apples", 4, 3],
    ["a small house by night", 4, 2],
    ["a man with a red beard, flat style", 4, 2],
    ["a lady with blue eyes", 10, 3],
  ]) {
    const body = JSON.stringify({ prompt, seed, count });
    const answer = await fetch(`${url}/api/jobs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body,
    });
    const { id } = await answer.json();
    await (await fetch(`${url}/api/jobs/${id}/events`)).text();
  }
}

/** First paint, the median of seven first visits; and all JavaScript there is, though a view loads its own alone. */
async function weigh(browser, url) {
  const paints = [];
  let loaded = 0;
  for (let i = 0; i < 7; i++) {
    const context = await browser.newContext(WIDE);
    const page = await context.newPage();
    await page.goto(url);
    await page.locator("textarea").first().waitFor();
    paints.push(await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime"));
    const names = await page.evaluate(
      "performance.getEntriesByType('resource').map(({ name }) => new URL(name).pathname).filter((path) => path.endsWith('.js'))",
    );
    loaded = names.reduce((sum, path) => sum + gzipped(`dist/studio${path}`), 0);
    await context.close();
  }
  const all = readdirSync(at("dist/studio"), { recursive: true }).filter((path) => path.endsWith(".js"));
  const kB = (bytes) => `${(bytes / 1000).toFixed(1)} kB`;
  const total = all.reduce((sum, path) => sum + gzipped(`dist/studio/${path}`), 0);
  console.log(`first paint ${Math.round(median(paints))} ms`);
  console.log(`JavaScript, gzipped: ${kB(loaded)} until there is something to write in, ${kB(total)} in all`);
}
const gzipped = (path) => gzipSync(readFileSync(at(path)), { level: 9 }).length;

const wanted = process.argv.slice(2);
const isWanted = (name) => wanted.length === 0 || wanted.includes(name);
const data = mkdtempSync(join(tmpdir(), "inkling-screenshots-"));
const args = [
  at("dist/cli/index.js"),
  "serve",
  "--port",
  "0",
  "--data",
  data,
  "--model",
  "inkdrop-256",
  "--log-level",
  "warn",
];
const server = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
// Playwright closes the browser then, and whatever waits for a page fails.
let stopped;
for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => (stopped = signal));
// From the start: whoever ends this script may end the server first, and then nothing would be left to wait for.
const ended = new Promise((resolve) => server.once("exit", resolve));
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox"],
});
try {
  const said = await Promise.race([new Promise((resolve) => server.stdout.once("data", resolve)), ended]);
  if (server.exitCode !== null) throw new Error("The server did not start: see above.");
  const url = said.toString().trim();
  if (isWanted("weight")) await weigh(browser, url);
  if (wanted.join() !== "weight") await fill(url);
  for (const [name, { address, ready }] of Object.entries(VIEWS)) {
    if (isWanted(name)) await keep(name, await photograph(browser, url, WIDE, address(await picturesOf(url)), ready));
  }
  if (isWanted("studio-phone")) {
    const shots = [];
    for (const [colorScheme, address, ...steps] of PHONES) {
      shots.push(await photograph(browser, url, { ...PHONE, colorScheme }, address(), ...steps));
    }
    const { width, height } = await sharp(shots[0]).metadata();
    const beside = shots.map((input, i) => ({ input, left: i * (width + 24), top: 0 }));
    const paper = { width: shots.length * (width + 24) - 24, height, channels: 3, background: "#888" };
    const png = await sharp({ create: paper }).composite(beside).png().toBuffer();
    await keep("studio-phone", await sharp(png).resize({ width: 1248 }).png().toBuffer());
  }
} catch (error) {
  if (!stopped) throw error;
  console.error(`Stopped by ${stopped}: what was not photographed yet is as it was.`);
  process.exitCode = 1;
} finally {
  await browser.close();
  server.kill("SIGTERM");
  await ended;
  rmSync(data, { recursive: true });
}
