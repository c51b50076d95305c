import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { AxeResults } from "axe-core";
import { pino } from "pino";
import type { BrowserContextOptions, Page } from "playwright-core";
import { type ServeOptions, startServer } from "../../src/server/index.ts";
import { openChromium } from "../browser/chromium.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The studio's server with the embedded models, and a browser for its page. */
export interface TestStudio {
  readonly origin: string;
  /** A page of its own: nothing that another one kept is there. */
  open(path: string, options?: BrowserContextOptions): Promise<Page>;
  /** What pages wrote into their consoles, threw, or asked of other machines. */
  readonly said: string[];
  close(): Promise<void>;
}

export async function openStudio(options: Partial<ServeOptions> = {}): Promise<TestStudio> {
  const data = mkdtempSync(join(tmpdir(), "inkling-studio-"));
  const server = await startServer({
    data,
    port: 0,
    grace: 0,
    studio: fileURLToPath(new URL("../../dist/studio/", import.meta.url)),
    log: pino({ level: "silent" }),
    models: ["inkdrop-256"],
    ...options,
  });
  const browser = await openChromium();
  const said: string[] = [];
  return {
    origin: server.url,
    said,
    async open(path, context) {
      const own = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...context });
      const page = await own.newPage();
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) said.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("request", (request) => {
        const { protocol, origin } = new URL(request.url());
        if (/^(https?|wss?):$/.test(protocol) && origin !== server.url) said.push(`asked ${origin}`);
      });
      await page.goto(server.url + path);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
      rmSync(data, { recursive: true });
    },
  };
}

/** What axe-core finds against WCAG 2.2 A and AA in the page as it stands, a line each. */
export async function violations(page: Page): Promise<string[]> {
  // Colours in the middle of a transition are nobody's.
  await page.evaluate(
    `new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn))).then(() =>
      Promise.allSettled(document.getAnimations().map(({ effect, finished }) =>
        effect.getTiming().iterations === Infinity || finished)))`,
  );
  if (!(await page.evaluate("'axe' in window"))) await page.evaluate(axe);
  const { violations: found } = (await page.evaluate(
    'axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })',
  )) as AxeResults;
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}
