/** The page of `inkling train --watch`, opened while a model learns. */
import { writeFileSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import { afterAll, beforeAll, expect, test } from "vitest";
import { start, workingFolder } from "../support/binary.ts";
import { tinyRecipe } from "../support/tiny-recipe.ts";
import { openChromium } from "./chromium.ts";

const work = workingFolder();
let browser: Browser;
beforeAll(async () => {
  browser = await openChromium();
});
afterAll(() => browser.close());

const text = (page: Page, id: string): Promise<string> => page.locator(`#${id}`).innerText();

/** Pixels of a plot's canvas in the colour of one of the page's custom properties. */
function painted(page: Page, plot: string, property: string): Promise<number> {
  return page.evaluate(
    ([plot, property]) => {
      const probe = document.body.appendChild(document.createElement("i"));
      probe.style.color = `var(${property})`;
      const [r, g, b] = getComputedStyle(probe).color.match(/\d+/g)!.map(Number);
      probe.remove();
      const canvas = document.querySelector<HTMLCanvasElement>(`#${plot} canvas`)!;
      const { data } = canvas.getContext("2d")!.getImageData(0, 0, canvas.width, canvas.height);
      let count = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i] === r && data[i + 1] === g && data[i + 2] === b && data[i + 3] === 255) count++;
      }
      return count;
    },
    [plot, property] as const,
  );
}

test("shows curves and samples while a model learns, from the run's beginning on", async () => {
  writeFileSync(
    work.path("recipe.json"),
    JSON.stringify({ ...tinyRecipe, samplesEvery: 20, samples: ["a red circle"] }),
  );
  const args = ["train", "diffusion", "--config", "recipe.json", "--out", "a", "--steps", "60", "--watch"];
  const running = start(args, work);
  const address = await running.find(/watch it at (http:\S+)/);

  const page = await browser.newPage({ colorScheme: "light", viewport: { width: 1100, height: 1300 } });
  const said: string[] = [];
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(address)) said.push(`elsewhere: ${request.url()}`);
  });
  await page.goto(address);
  await expect.poll(() => text(page, "step"), { timeout: 60_000 }).toMatch(/^2\d \/ 60$/);
  expect(await text(page, "state")).toBe("It learns.");
  expect(await text(page, "pace-title")).toBe("pictures/s");
  expect(Number(await text(page, "loss"))).toBeGreaterThan(0);
  for (const plot of ["plot-loss", "plot-learningRate", "plot-norm", "plot-imagesPerSecond"]) {
    await expect.poll(() => painted(page, plot, "--accent"), { timeout: 10_000 }).toBeGreaterThan(50);
  }
  await page.locator("#sheet").waitFor({ state: "visible", timeout: 60_000 });
  await expect
    .poll(() => page.locator("#sheet").evaluate((sheet: HTMLImageElement) => sheet.naturalWidth))
    .toBeGreaterThan(0);

  // Keys read off steps.
  await page.locator("#plot-loss").focus();
  await page.keyboard.press("Home");
  await expect.poll(() => page.locator("#plot-loss .u-legend .u-value").first().innerText()).toBe("1");
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => page.locator("#plot-loss .u-legend .u-value").first().innerText()).toBe("2");

  // Another page, in the dark, begins with the first step too.
  const night = await browser.newPage({ colorScheme: "dark" });
  await night.goto(address);
  await expect.poll(() => text(night, "step"), { timeout: 10_000 }).toMatch(/\/ 60$/);
  await night.locator("#plot-loss").focus();
  await night.keyboard.press("Home");
  await expect.poll(() => night.locator("#plot-loss .u-legend .u-value").first().innerText()).toBe("1");
  const day = await page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
  expect(await night.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)).not.toBe(day);

  await expect.poll(() => text(page, "state"), { timeout: 60_000 }).toBe("It is over, after step 60.");
  if (process.env["INKLING_SCREENSHOTS"]) {
    await page.screenshot({ path: `${process.env["INKLING_SCREENSHOTS"]}/watch-light.png` });
    await night.setViewportSize({ width: 420, height: 1600 });
    await night.screenshot({ path: `${process.env["INKLING_SCREENSHOTS"]}/watch-dark.png` });
  }
  expect((await running.finished).code).toBe(0);
  expect(said).toEqual([]);
});
