import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import type { AxeResults } from "axe-core";
import type { BrowserContextOptions, Page } from "playwright-core";
import { openChromium } from "../browser/chromium.ts";
import { startMock } from "./mock-server.ts";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** The studio's server, and a browser for its page. */
export interface TestStudio {
  readonly origin: string;
  /** A page of its own: nothing that another one kept is there. */
  open(path: string, options?: BrowserContextOptions): Promise<Page>;
  /** What pages wrote into their consoles, threw, or asked of other machines. */
  readonly said: string[];
  close(): Promise<void>;
}

/** @param served what gives the page; by default a stand-in without a model */
export async function openStudio(served?: Pick<TestStudio, "origin" | "close">): Promise<TestStudio> {
  const server = served ?? (await startMock());
  const browser = await openChromium();
  const said: string[] = [];
  return {
    origin: server.origin,
    said,
    async open(path, options) {
      const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
      const page = await context.newPage();
      page.on("console", (message) => {
        if (["error", "warning"].includes(message.type())) said.push(`${message.type()}: ${message.text()}`);
      });
      page.on("pageerror", (error) => said.push(String(error)));
      page.on("request", (request) => {
        const url = new URL(request.url());
        if (/^https?:$/.test(url.protocol) && url.origin !== server.origin) said.push(`asked ${url.origin}`);
      });
      await page.goto(server.origin + path);
      return page;
    },
    async close() {
      await browser.close();
      await server.close();
    },
  };
}

/** What axe-core finds against WCAG 2.2 A and AA in the page as it stands, a line each. */
export async function violations(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations: found } = (await page.evaluate(
    'axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"] })',
  )) as AxeResults;
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ target, failureSummary }) => `${id}: ${target} ${failureSummary}`),
  );
}
