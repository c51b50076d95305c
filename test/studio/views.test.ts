/** The studio's page in a real browser: what holds for every view. */
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import type { Locator, Page } from "playwright-core";
import { afterAll, describe, expect, it } from "vitest";
import { addKey } from "../../src/server/access/keys.ts";
import { en } from "../../web/src/i18n/en.ts";
import type { MessageKey } from "../../web/src/i18n/i18n.ts";
import { VIEWS } from "../../web/src/panels/explain/views.ts";
import { PANELS, type Panel } from "../../web/src/panels/registry.ts";
import { openStudio, violations } from "./open-studio.ts";

const built = fileURLToPath(new URL("../../dist/studio/", import.meta.url));
const files = readdirSync(built, { recursive: true, encoding: "utf8" });
const studio = await openStudio();
afterAll(() => studio.close());

describe("what is built", () => {
  it("has at most 250 kB of JavaScript, gzipped", () => {
    const scripts = files.filter((path) => path.endsWith(".js"));
    expect(scripts.length).toBeGreaterThan(1);
    const bytes = scripts.reduce(
      (sum, path) => sum + gzipSync(readFileSync(join(built, path)), { level: 9 }).length,
      0,
    );
    expect(bytes).toBeLessThanOrEqual(250_000);
  });

  it("has no inline script or style, and names no other machine", () => {
    const page = readFileSync(join(built, "index.html"), "utf8");
    expect(page).not.toMatch(/<script(?![^>]*\bsrc=)|<style|\sstyle=|\son\w+=/);
    for (const path of files.filter((each) => /\.(js|css|html)$/.test(each))) {
      const text = readFileSync(join(built, path), "utf8");
      // Namespaces, where Svelte explains its errors, and papers are names: nothing is fetched from there.
      const named = [...text.matchAll(/https?:\/\/[\w.-]+/g)].map(([address]) => address);
      expect(
        named.filter((address) => !/(www\.w3\.org|svelte\.dev|arxiv\.org|cdn\.openai\.com)$/.test(address)),
        path,
      ).toEqual([]);
    }
  });
});

describe("the page's code", () => {
  const source = fileURLToPath(new URL("../../web/src/", import.meta.url));
  const imports = readdirSync(source, { recursive: true, encoding: "utf8" })
    .filter((path) => /\.(ts|svelte)$/.test(path))
    .flatMap((path) =>
      [...readFileSync(join(source, path), "utf8").matchAll(/import (type )?[^;]*? from "(\.[^"]+)"/g)].map(
        ([, isType, target]) => ({ path, isType: isType !== undefined, target: join("/web/src", path, "..", target!) }),
      ),
    );

  it("has views that do not know each other", () => {
    expect(imports.length).toBeGreaterThan(50);
    for (const { path, target } of imports) {
      const [from, to] = [`/web/src/${path}`, target].map((each) => /^\/web\/src\/panels\/([^/]+)\//.exec(each)?.[1]);
      if (from && to) expect(to, `${path} imports ${target}`).toBe(from);
    }
  });

  it("takes nothing but types from the server", () => {
    const ofServer = imports.filter(({ target }) => /^\/src\/(server|cli|pipelines|hub)\//.test(target));
    expect(ofServer.length).toBeGreaterThan(5);
    expect(ofServer.filter(({ isType }) => !isType)).toEqual([]);
  });
});

const looks = [
  ["wide and light", { colorScheme: "light" }],
  ["wide and dark", { colorScheme: "dark" }],
  [
    "on a phone, light",
    { colorScheme: "light", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true },
  ],
  ["on a phone, dark", { colorScheme: "dark", viewport: { width: 360, height: 740 }, isMobile: true, hasTouch: true }],
] as const;

describe.each(looks)("%s", (_, look) => {
  it("every view is reached from the navigation, breaks no rule of WCAG AA, and fits", async () => {
    const page = await studio.open("/", look);
    for (const { id, icon } of PANELS) {
      if (!icon) continue;
      await page.click(`nav a[href="/${id}"]`);
      await page.waitForURL((url) => url.pathname === `/${id}`);
      await page.locator("main h1").waitFor({ state: "attached" });
      expect(await violations(page), id).toEqual([]);
      expect(await page.evaluate("document.documentElement.scrollWidth"), id).toBe(page.viewportSize()!.width);
    }
    await page.context().close();
  });
});

describe("by keys alone", () => {
  const text = (key: MessageKey) => en[key as keyof typeof en];
  /** The panel of explanations begins with the first of them. */
  const titleOf = ({ id, title }: Panel) => (id === "explain" ? VIEWS[0]!.title : title);
  const shows = (page: Page, title: MessageKey) =>
    page.getByRole("heading", { name: text(title), level: 1, exact: true }).waitFor();
  const nowhere = async () => {
    const page = await studio.open("/nowhere");
    await shows(page, "app.nowhere");
    return page;
  };

  /** Goes on with Tab until it is there, as a person would who sees where the focus is. */
  async function tabTo(target: Locator): Promise<void> {
    const focused = () => target.evaluate((element) => element.matches(":focus-visible"));
    for (let tabs = 0; tabs < 60; tabs++) {
      if (await focused()) return;
      await target.page().keyboard.press("Tab");
    }
    throw new Error(`Tab does not lead to ${target}.`);
  }

  it("every view is reached by its letter, and ? tells which", async () => {
    const page = await nowhere();
    for (const panel of PANELS) {
      await page.keyboard.press(panel.key!);
      await page.waitForURL((url) => url.pathname === `/${panel.id}`);
      await shows(page, titleOf(panel));
      await page.keyboard.press("?");
      const help = page.getByRole("dialog", { name: text("keys.title") });
      await help.waitFor();
      const told = await help.locator("dl > div").allTextContents();
      expect(told).toEqual(expect.arrayContaining(PANELS.map(({ key, title }) => `${key} ${text(title)}`)));
      await page.keyboard.press("Escape");
      await help.waitFor({ state: "detached" });
    }
    await page.context().close();
  });

  it("every view is reached with Tab and Enter", async () => {
    const page = await nowhere();
    for (const panel of PANELS) {
      await tabTo(page.locator(`nav a[href="/${panel.id}"]`));
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname === `/${panel.id}`);
      await shows(page, titleOf(panel));
    }
    await page.context().close();
  });

  it("every explanation is reached with Tab and Enter", async () => {
    const page = await nowhere();
    await page.keyboard.press("e");
    const links = page.getByRole("navigation", { name: text("explain.views") });
    for (const { id, title } of VIEWS) {
      await tabTo(links.getByRole("link", { name: text(title), exact: true }));
      await page.keyboard.press("Enter");
      await page.waitForURL((url) => url.pathname === `/explain/${id}`);
      await shows(page, title);
      // What it is about, below what it says of itself.
      await page.locator("article > header ~ *").first().waitFor();
    }
    await page.context().close();
  });
});

it("something is seen within a second", async () => {
  const page = await studio.open("/");
  await page.locator("textarea").first().waitFor();
  const paint = await page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime");
  expect(paint).toBeLessThan(1000);
  await page.context().close();
});

it("an address that leads nowhere says so", async () => {
  const page = await studio.open("/nowhere");
  await page.getByRole("heading", { name: "Nothing here" }).waitFor();
  await page.context().close();
});

it("a server with keys asks for one, and pictures and events come with it", async () => {
  const folder = mkdtempSync(join(tmpdir(), "inkling-keys-"));
  const keyFile = join(folder, "keys.txt");
  const key = await addKey(keyFile, "reader");
  const locked = await openStudio({ keyFile });
  try {
    const page = await locked.open("/gallery");
    await page.getByLabel("Key", { exact: true }).fill(key);
    expect(await violations(page)).toEqual([]);
    await page.keyboard.press("Enter");
    await page.getByText("No picture has been drawn yet.").waitFor();
    await page.reload();
    await page.getByText("No picture has been drawn yet.").waitFor();
    expect(locked.said).toEqual([]);
  } finally {
    await locked.close();
    rmSync(folder, { recursive: true });
  }
});

it("the pages had nothing to complain about, and asked no other machine", () => expect(studio.said).toEqual([]));
