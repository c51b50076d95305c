/** The gallery, two pictures beside each other, and sheets. */
import { readFile } from "node:fs/promises";
import type { Page } from "playwright-core";
import sharp from "sharp";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { GalleryItem, GalleryPage, Job } from "../../src/server/index.ts";
import { openStudio, violations } from "./open-studio.ts";

const studio = await openStudio();
afterAll(() => studio.close());

/** Newest first. */
let pictures: readonly GalleryItem[] = [];
beforeAll(async () => {
  for (const prompt of ["a lady with blue eyes", "two red apples", "a green tree"]) {
    const request = { prompt, width: 64, height: 64, steps: 2, seed: 3 };
    const answer = await fetch(`${studio.origin}/api/jobs`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(request),
    });
    const { id } = (await answer.json()) as Job;
    // Its events end when it does.
    expect(await (await fetch(`${studio.origin}/api/jobs/${id}/events`)).text()).toContain("event: done");
  }
  pictures = (await ask<GalleryPage>("/api/gallery")).pictures;
  expect(pictures).toHaveLength(3);
});

async function ask<T>(path: string): Promise<T> {
  return (await (await fetch(studio.origin + path)).json()) as T;
}
const shown = (page: Page): Promise<(string | null)[]> =>
  page.locator(".tiles img").evaluateAll((all) => all.map((img) => img.getAttribute("alt")));

it("a picture is explained, and the address of that shows it again", async () => {
  const [picture] = pictures;
  const page = await studio.open("/gallery");
  await page.locator(".tiles .tile").first().click();
  await page.getByRole("button", { name: "Explain this" }).click();
  await page.waitForURL(`**/explain/ink-drop?picture=${picture!.id}`);
  const seen = page.getByRole("img", { name: "The picture", exact: true });
  await seen.waitFor();
  const src = await seen.getAttribute("src");
  expect(await page.getByText(picture!.prompt, { exact: true }).count()).toBe(1);
  await page.reload();
  await seen.waitFor();
  expect(await seen.getAttribute("src")).toBe(src);
  // It goes along to the other view that starts from a picture; a drawing takes its place.
  await page.getByRole("link", { name: "Latent space" }).click();
  await page.waitForURL(`**/explain/latent?picture=${picture!.id}`);
  await seen.waitFor();
  expect(await seen.getAttribute("src")).toBe(src);
  expect(await violations(page)).toEqual([]);
  await page.getByLabel("Drawing number").fill("3");
  await page.keyboard.press("Enter");
  await expect.poll(() => seen.getAttribute("src")).not.toBe(src);
  expect(new URL(page.url()).search).toBe("?drawing=3");
  await page.context().close();
});

it("pictures are found by words, by what is seen in them, and by likeness", async () => {
  const page = await studio.open("/draw");
  await page.locator("textarea").first().waitFor();
  // From anywhere.
  await page.locator("body").press("/");
  await expect.poll(() => page.evaluate("document.activeElement.type")).toBe("search");
  await page.keyboard.type("apples");
  await page.keyboard.press("Enter");
  await page.waitForURL(/search=apples/);
  await expect.poll(() => shown(page)).toEqual(["two red apples"]);

  await page.getByLabel("Search by").selectOption("by look");
  await page.getByLabel("Search pictures").fill("leaves");
  await page.keyboard.press("Enter");
  await page.waitForURL(/look=leaves/);
  // All of them, in CLIP's order.
  await expect
    .poll(async () => (await shown(page)).toSorted())
    .toEqual(pictures.map(({ prompt }) => prompt).toSorted());

  await page.locator(".tiles .tile").first().click();
  await page.getByRole("button", { name: "Find similar" }).click();
  await page.waitForURL(/similar=/);
  await page.getByText("The most similar first").waitFor();
  const like = new URL(page.url()).searchParams.get("similar");
  // The others: the picture itself stands above them.
  const others = pictures.filter(({ id }) => id !== like).map(({ prompt }) => prompt);
  expect(others).toHaveLength(2);
  await expect.poll(async () => (await shown(page)).toSorted()).toEqual(others.toSorted());
  await page.goBack();
  await page.waitForURL(/look=leaves/);
  await page.context().close();
});

it("favourites, and the bin with a way back", async () => {
  const page = await studio.open(`/gallery?picture=${pictures[0]!.id}`);
  const dialog = page.getByRole("dialog", { name: "Picture" });
  await dialog.getByRole("button", { name: "Favourite" }).click();
  await expect.poll(async () => (await ask<GalleryPage>("/api/gallery?favourite=true")).pictures.length).toBe(1);
  expect(await violations(page)).toEqual([]);
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("button", { name: "Favourites" }).click();
  await expect.poll(() => shown(page)).toEqual([pictures[0]!.prompt]);

  await page.locator(".tiles .tile").first().click();
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.waitFor({ state: "detached" });
  expect(await shown(page)).toEqual([]);
  expect((await ask<GalleryPage>("/api/gallery")).pictures).toHaveLength(2);
  await page.getByRole("button", { name: "Undo" }).click();
  await expect.poll(() => shown(page)).toEqual([pictures[0]!.prompt]);
  expect((await ask<GalleryPage>("/api/gallery")).pictures).toHaveLength(3);
  await page.context().close();
});

it("what lies in the bin is restored there, or deleted for good when it was said twice", async () => {
  const [picture] = pictures;
  const url = `${studio.origin}/api/pictures/${picture!.id}`;
  await fetch(url, { method: "DELETE" });
  const page = await studio.open("/gallery?deleted=true");
  await page.locator(".tiles .tile").first().click();
  const dialog = page.getByRole("dialog", { name: "Picture" });
  await dialog.getByRole("button", { name: "Restore" }).click();
  await expect.poll(async () => (await ask<GalleryItem>(`/api/pictures/${picture!.id}/info`)).deleted).toBeNull();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });

  await fetch(url, { method: "DELETE" });
  // The browser may reload what the address was before the dialog closed.
  await page.goto(`${studio.origin}/gallery?deleted=true`);
  await page.locator(".tiles .tile").first().click();
  await dialog.getByRole("button", { name: "Delete for good" }).click();
  expect((await fetch(url)).status).toBe(200);
  await dialog.getByRole("button", { name: "Really, for good" }).click();
  await page.getByText("The bin is empty.").waitFor();
  expect((await fetch(url)).status).toBe(404);
  await page.context().close();
});

it("arrows lead through the pictures that are listed", async () => {
  const page = await studio.open("/gallery");
  await page.locator(".tiles .tile").first().click();
  const words = page.getByRole("dialog").locator(".prompt");
  const first = await words.textContent();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => words.textContent()).not.toBe(first);
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => words.textContent()).toBe(first);
  await page.getByRole("button", { name: "Use settings" }).click();
  await page.waitForURL(/\/draw\?.*seed=3/);
  expect(await page.getByLabel("Prompt", { exact: true }).inputValue()).toBe(first);
  await page.context().close();
});

it("two pictures are compared by a slider, and by what differs in their settings", async () => {
  const [b, a] = pictures.slice(1);
  const page = await studio.open(`/compare?a=${a!.id}`);
  await page.locator(".compare ul .tile").first().waitFor();
  await page.getByRole("button", { name: b!.prompt }).click();
  await page.waitForURL(new RegExp(`b=${b!.id}`));
  const slider = page.getByRole("slider", { name: "Where the right picture begins" });
  await slider.focus();
  await page.keyboard.press("Home");
  // All of the right one: its left edge is cut at half a thumb.
  const cut = (): Promise<string> => page.locator("img.over").evaluate((img) => getComputedStyle(img).clipPath);
  const [least] = [await cut()];
  await page.keyboard.press("End");
  expect(await cut()).not.toBe(least);
  const rows = await page.locator("table tbody tr").allTextContents();
  expect(rows.map((row) => row.split(/\s/)[0])).toEqual([expect.stringMatching(/^prompt/)]);
  expect(await violations(page)).toEqual([]);
  await page.getByRole("button", { name: "Swap" }).click();
  await page.waitForURL(new RegExp(`a=${b!.id}&b=${a!.id}`));
  await page.context().close();
});

it("a sheet has a picture for every pair, and is saved as one with its labels", async () => {
  const base = "prompt=a+red+apple&width=64&height=64&seed=9";
  const page = await studio.open(
    `/grid?${base}&x=steps&xs=1-3+%28%2B2%29&y=words&ys=red%2C+green&z=guidance&zs=1%2C+5`,
  );
  await page.getByRole("button", { name: "Draw the sheet" }).click();
  await page.getByText("8 of 8 drawn").waitFor();
  expect(await page.locator("caption").allTextContents()).toEqual(["Guidance 1", "Guidance 5"]);
  expect(await page.locator("table").first().locator("th").allTextContents()).toEqual([
    "Steps 1",
    "Steps 3",
    "Words red",
    "Words green",
  ]);
  const drawn = (await ask<GalleryPage>("/api/gallery?limit=8")).pictures;
  const asked = drawn.map(
    ({ prompt, settings }) => `${prompt} ${settings.steps} ${settings.guidance} ${settings.seed}`,
  );
  expect(asked.toSorted()).toEqual(
    ["green", "red"].flatMap((word) =>
      [1, 3].flatMap((steps) => [1, 5].map((guidance) => `a ${word} apple ${steps} ${guidance} 9`)),
    ),
  );
  expect(await violations(page)).toEqual([]);
  const [download] = await Promise.all([
    page.waitForEvent("download"),
    page.getByRole("button", { name: "Save as one picture" }).click(),
  ]);
  const sheet = await sharp(await readFile((await download.path())!)).metadata();
  expect(sheet.format).toBe("png");
  expect(sheet.width).toBeGreaterThan(2 * 64);
  expect(sheet.height).toBeGreaterThan(4 * 64);
  // It is still there after a look at something else.
  await page.click('nav a[href="/gallery"]');
  await page.locator(".tiles .tile").first().waitFor();
  await page.goBack();
  await page.getByText("8 of 8 drawn").waitFor();
  await page.context().close();
});

it("values that are none are named, and a sheet can be cancelled", async () => {
  const page = await studio.open("/grid?prompt=a+cat&width=128&height=128&x=steps&xs=5%2C+many&y=");
  await page.getByRole("button", { name: "Draw the sheet" }).click();
  await page.getByRole("alert").getByText("Steps: many is no number.").waitFor();
  await page.getByRole("alert").getByRole("button", { name: "Close" }).click();
  await page.getByLabel("Columns: values").fill("200, 201, 202, 203");
  await page.keyboard.press("Control+Enter");
  await page.locator(".cell img").first().waitFor();
  await page.keyboard.press("Escape");
  await expect
    .poll(async () => (await ask<{ jobs: Job[] }>("/api/jobs?limit=4")).jobs.map(({ state }) => state))
    .not.toContain("running");
  expect(await page.locator(".cell .tile").count()).toBe(0);
  await page.context().close();
});

it("the pages had nothing to complain about, and asked no other machine", () => expect(studio.said).toEqual([]));
