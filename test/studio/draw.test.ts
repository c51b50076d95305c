/** Drawing in the page, with the embedded model behind it: what a person does, by keyboard where keys can do it. */
import { readFile } from "node:fs/promises";
import type { Locator, Page } from "playwright-core";
import { afterAll, expect, it } from "vitest";
import { readMetadata } from "../../src/image/index.ts";
import type { GalleryPage, JobList } from "../../src/server/index.ts";
import { openStudio, violations } from "./open-studio.ts";

const studio = await openStudio();
afterAll(() => studio.close());

/** A picture in a moment. */
const QUICK = "width=64&height=64&steps=2";
const promptOf = (page: Page): Locator => page.getByLabel("Prompt", { exact: true });
const picture = (page: Page): Locator => page.locator(".easel > img.picture:not(.preview)");

async function ask<T>(path: string): Promise<T> {
  const answer = await fetch(studio.origin + path);
  expect(answer.status).toBe(200);
  return (await answer.json()) as T;
}

/** Waits until the page's address tells its settings. */
const address = (page: Page, what: RegExp): Promise<void> => page.waitForURL((url) => what.test(url.search));

it("draws by keyboard alone: the prompt, Ctrl+Enter, a preview that emerges, the picture", async () => {
  const page = await studio.open("/draw?width=128&height=128&steps=12");
  await promptOf(page).waitFor();
  await page.keyboard.press("p");
  await page.keyboard.type("a lady with blue eyes");
  await page.keyboard.press("Control+Enter");
  await page.getByText(/step \d+ of 12/).waitFor();
  await page.locator("img.preview").waitFor();
  expect(await page.getByRole("progressbar").getAttribute("max")).toBe("1");
  await picture(page).waitFor();
  expect(await page.getByRole("status").first().textContent()).toBe("Done");
  expect(await picture(page).getAttribute("alt")).toBe("a lady with blue eyes");
  expect(await picture(page).evaluate((img) => (img as HTMLImageElement).naturalWidth)).toBe(128);
  // It stands among those that were drawn last, and its seed in its field.
  await page.locator("section:has(#recent) li").first().waitFor();
  expect(await page.getByLabel("Seed", { exact: true }).inputValue()).toMatch(/^\d+$/);
  await page.context().close();
});

it("Esc cancels", async () => {
  const page = await studio.open("/draw?prompt=a+house&width=256&height=256&steps=300");
  await promptOf(page).waitFor();
  await page.keyboard.press("Control+Enter");
  await page.getByText(/step \d+ of 300/).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  const { jobs } = await ask<JobList>("/api/jobs");
  expect(jobs[0]).toMatchObject({ state: "cancelled", request: { steps: 300 } });
  await page.context().close();
});

it("an address draws the same picture again", async () => {
  const page = await studio.open(`/draw?prompt=two+apples&seed=11&guidance=5&${QUICK}`);
  await promptOf(page).waitFor();
  const bytes: Buffer[] = [];
  for (let turn = 0; turn < 2; turn++) {
    await page.keyboard.press("Control+Enter");
    await picture(page).waitFor();
    bytes.push(
      Buffer.from(await (await fetch(studio.origin + (await picture(page).getAttribute("src")))).arrayBuffer()),
    );
    if (turn === 0) await page.goto(page.url());
    await promptOf(page).waitFor();
  }
  const [first, second] = bytes.map((each) => readMetadata(new Uint8Array(each), "it").infotext);
  expect(first).toMatch(/^two apples\n.*Steps: 2, .*CFG scale: 5, Seed: 11, Size: 64x64/s);
  expect(second).toBe(first);
  expect(bytes[1]!.equals(bytes[0]!)).toBe(true);
  await page.context().close();
});

it("counts tokens and shows weights as typed", async () => {
  const page = await studio.open("/draw");
  await promptOf(page).fill("a (lady:1.3) with [[blue]] eyes \\(not\\) BREAK night");
  // CLIP's own count: the words of the first row, those after BREAK, and the marks of two rows.
  await page.getByText("13 of 154 tokens").waitFor();
  // Where there are no words nothing is counted.
  expect(await page.getByText("2 of 77 tokens").count()).toBe(0);
  const marks = page.locator(".under").first().locator("mark");
  expect(await marks.evaluateAll((all) => all.map((mark) => [mark.className.split(" ")[0], mark.textContent]))).toEqual(
    [
      ["more", "(lady:1.3)"],
      ["less", "[[blue]]"],
      ["break", expect.stringMatching(/^BREAK ?$/)],
    ],
  );
  const under = await page.locator(".under").first().textContent();
  expect(under?.replace(/[\s\u200b]+/g, " ").trim()).toBe(await promptOf(page).inputValue());
  await page.context().close();
});

it("goals show what they set; what is set by hand wins and can be given back", async () => {
  const page = await studio.open("/draw");
  const steps = page.getByRole("spinbutton", { name: "Steps" });
  await expect.poll(() => steps.inputValue()).toBe("12");
  await page.getByRole("button", { name: /^fast 25 steps · 256 × 256/i }).click();
  expect(await steps.inputValue()).toBe("25");
  await steps.fill("7");
  await steps.press("Tab");
  await address(page, /goal=fast&steps=7/);
  await page.getByRole("button", { name: "Steps: back to the model's own" }).click();
  expect(await steps.inputValue()).toBe("25");
  // What no server takes is brought into its range.
  await steps.fill("100000");
  await steps.press("Tab");
  expect(await steps.inputValue()).toBe("1000");
  await page.context().close();
});

it("several pictures, and the best of several by CLIP", async () => {
  const page = await studio.open(`/draw?prompt=a+red+apple&count=2&bestOf=2&seed=5&${QUICK}`);
  await promptOf(page).waitFor();
  await page.keyboard.press("Control+Enter");
  await page.locator(".easel .tile").nth(1).waitFor();
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  expect(await page.locator(".easel .tile .mark").allTextContents()).toEqual([
    expect.stringMatching(/^\d+(\.\d)?$/),
    expect.stringMatching(/^\d+(\.\d)?$/),
  ]);
  expect(await violations(page)).toEqual([]);
  expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(1280);
  // One of them, large.
  await page.locator(".easel .tile").first().click();
  await picture(page).waitFor();
  await page.getByRole("link", { name: "Download with its settings inside" }).waitFor();
  await page.context().close();
});

it("the writer goes on from a beginning, and what is picked is the prompt", async () => {
  const page = await studio.open("/draw?prompt=a+castle");
  await promptOf(page).waitFor();
  await page.locator("body").press("w");
  const dialog = page.getByRole("dialog", { name: "Write a prompt" });
  await expect.poll(() => dialog.getByLabel("Beginning").inputValue()).toBe("a castle");
  await page.keyboard.press("Enter");
  const results = dialog.getByRole("list", { name: "Written prompts" }).getByRole("button");
  await results.first().waitFor();
  expect(await results.first().textContent()).toMatch(/^a castle.+closeness \d+(\.\d)? · likelihood \d+%/s);
  expect(await violations(page)).toEqual([]);
  await results.first().click();
  await dialog.waitFor({ state: "detached" });
  expect(await promptOf(page).inputValue()).toMatch(/^a castle.+/);
  await page.context().close();
});

it("a picture that is dropped brings its settings back, or is what the next one starts from", async () => {
  const { pictures } = await ask<GalleryPage>("/api/gallery?search=apples");
  const { url, seed } = pictures[0]!;
  const bytes = [...new Uint8Array(await (await fetch(studio.origin + url)).arrayBuffer())];
  const page = await studio.open("/draw");
  await promptOf(page).waitFor();
  const drag = async (target: string): Promise<void> => {
    const transfer = await page.evaluateHandle((given) => {
      const made = new DataTransfer();
      made.items.add(new File([new Uint8Array(given)], "apples.png", { type: "image/png" }));
      return made;
    }, bytes);
    await page.dispatchEvent("body", "dragenter", { dataTransfer: transfer });
    await page.dispatchEvent(target, "dragover", { dataTransfer: transfer });
    await page.dispatchEvent(target, "drop", { dataTransfer: transfer });
  };
  await drag(".veil .place:first-child");
  await page.getByText("These are the settings of apples.png.").waitFor();
  expect(await promptOf(page).inputValue()).toBe("two apples");
  expect(await page.getByLabel("Seed", { exact: true }).inputValue()).toBe(String(seed));
  expect(await page.getByRole("spinbutton", { name: "Guidance" }).inputValue()).toBe("5");

  await drag(".veil .place:last-child");
  await page.getByAltText("The picture to start from").waitFor();
  await page.getByRole("spinbutton", { name: "Strength" }).fill("0.5");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Control+Enter");
  await picture(page).waitFor();
  const { jobs } = await ask<JobList>("/api/jobs");
  expect(jobs[0]).toMatchObject({ state: "done", request: { strength: 0.5, image: { upload: expect.any(String) } } });
  await page.context().close();
});

it("more jobs than a browser has lines: all are drawn, and the page still asks", async () => {
  const page = await studio.open(`/draw?prompt=a+hat&${QUICK}`);
  await promptOf(page).waitFor();
  for (let turn = 0; turn < 8; turn++) {
    const sent = page.waitForResponse((answer) => answer.url().endsWith("/api/jobs") && answer.status() === 201);
    await page.keyboard.press("Control+Enter");
    await sent;
    // The page takes the next one when it has read the answer.
    await page.locator("button.primary:enabled").waitFor();
  }
  await page.getByRole("progressbar").waitFor({ state: "detached" });
  expect((await ask<GalleryPage>("/api/gallery?search=hat")).pictures).toHaveLength(8);
  await promptOf(page).fill("a hat and a coat");
  await page.getByText("7 of 77 tokens").waitFor();
  await page.context().close();
});

it("what the server refuses is said, and nothing is lost", async () => {
  const before = studio.said.length;
  const page = await studio.open(`/draw?prompt=%28cat%3A1e999%29&${QUICK}`);
  await promptOf(page).waitFor();
  await page.keyboard.press("Control+Enter");
  await page
    .getByRole("alert")
    .getByText(/prompt is wrong at character/)
    .waitFor();
  expect(await violations(page)).toEqual([]);
  expect(await promptOf(page).inputValue()).toBe("(cat:1e999)");
  await page.getByRole("alert").getByRole("button", { name: "Close" }).click();
  // Browsers write refused requests into the console by themselves.
  for (const line of studio.said.splice(before)) expect(line).toMatch(/status of 400/);
  await page.context().close();
});

it("a page that is opened while something is drawn watches it", async () => {
  const one = await studio.open("/draw?prompt=a+tree&width=256&height=256&steps=60");
  await promptOf(one).waitFor();
  await one.keyboard.press("Control+Enter");
  await one.getByText(/step \d+ of 60/).waitFor();
  await one.context().close();
  const other = await studio.open("/draw");
  await other.getByText(/step \d+ of 60/).waitFor();
  await promptOf(other).focus();
  await other.keyboard.press("Escape");
  await other.getByRole("progressbar").waitFor({ state: "detached" });
  await other.context().close();
});

it("a picture comes with its settings when it is downloaded", async () => {
  const page = await studio.open("/gallery?search=apples");
  await page.locator(".tiles .tile").first().click();
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("link", { name: "Download with its settings inside" }).click(),
  ]);
  expect(download.suggestedFilename()).toMatch(/^inkling-\d+-.*\.png$/);
  const bytes = await readFile((await download.path())!);
  expect(readMetadata(new Uint8Array(bytes), "it").infotext).toMatch(/^two apples\n/);
  await page.context().close();
});

it("the pages had nothing to complain about, and asked no other machine", () => expect(studio.said).toEqual([]));
