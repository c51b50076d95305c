/** The explanations in a real browser, of the embedded model's own runs. */
import type { Page } from "playwright-core";
import { afterAll, expect, it } from "vitest";
import type { ExplainedModel } from "../../src/server/index.ts";
import { VIEWS } from "../../web/src/panels/explain/views.ts";
import { openStudio, violations } from "./open-studio.ts";

const studio = await openStudio();
afterAll(() => studio.close());

const RUN = "prompt=a+lady+with+blue+eyes&seed=10&steps=2";
/** What an address of each view shows once it has been computed. */
const shown: Readonly<Record<string, { readonly query: string; readonly selector: string }>> = {
  attention: { query: `${RUN}&word=eyes`, selector: "button[aria-pressed=true]" },
  steps: { query: `${RUN}&step=1`, selector: ".picture img" },
  "ink-drop": { query: "drawing=3&t=300", selector: "figure[aria-busy=false] img" },
  words: { query: "prompt=a+lady&other=a+woman", selector: "td.number" },
  guidance: { query: RUN, selector: ".sides img" },
  unet: { query: "part=mid_block.attentions.0", selector: "button[aria-pressed=true]" },
  latent: { query: "drawing=3&amount=30&channel=2", selector: "figure[aria-busy=false] img" },
  race: { query: "race=steps&prompt=a+lady", selector: ".lanes .picture[aria-busy=false] img" },
  "next-word": { query: "prompt=a+lady+with+blue&temperature=2", selector: "fieldset button" },
  clip: { query: "drawing=1", selector: "td.number" },
};

async function open(id: string): Promise<Page> {
  const { query, selector } = shown[id]!;
  const page = await studio.open(`/explain/${id}?${query}`);
  await page.locator(selector).first().waitFor();
  return page;
}

it("every view has an address that is tried here", () => {
  expect(Object.keys(shown)).toEqual(VIEWS.map(({ id }) => id));
});

it.each(VIEWS.map(({ id }) => id))("%s is reached by its address, fits, and breaks no rule of WCAG AA", async (id) => {
  const page = await open(id);
  for (const width of [1280, 360]) {
    await page.setViewportSize({ width, height: 800 });
    for (const colorScheme of ["light", "dark"] as const) {
      await page.emulateMedia({ colorScheme });
      expect(await violations(page), `${width} pixels, ${colorScheme}`).toEqual([]);
    }
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBe(width);
  }
  expect(await page.locator("article header a").first().getAttribute("href")).toMatch(/^https:/);
  await page.context().close();
});

it("shows where “eyes” is looked for when its button has the focus, by keys alone", async () => {
  const page = await open("attention");
  const map = page.locator("figure img").first();
  const src = async () => map.getAttribute("src");
  const eyes = await src();
  await page.getByRole("button", { name: "lady", exact: true }).focus();
  await expect.poll(src).not.toBe(eyes);
  await page.getByRole("button", { name: "eyes", exact: true }).focus();
  await expect.poll(src).toBe(eyes);
  await page.keyboard.press("Enter");
  expect(new URL(page.url()).searchParams.get("word")).toBe("eyes");
  await page.context().close();
});

it("goes through the steps by keys, and the address says where", async () => {
  const page = await open("steps");
  await page.locator("input[type=range]").first().focus();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => new URL(page.url()).searchParams.get("step")).toBe("2");
  await page.context().close();
});

it("goes back in time from the noised latents, and its address does so again", async () => {
  const page = await studio.open("/explain/ink-drop?drawing=3&t=300&steps=2");
  await page.getByRole("button", { name: "Go back in time from here" }).click();
  const returned = page.locator("figure.returned[aria-busy=false] img");
  await returned.waitFor();
  expect(new URL(page.url()).searchParams.get("back")).toBe("1");
  const clean = await returned.getAttribute("src");
  await page.locator("input[type=range]").nth(1).focus();
  await page.keyboard.press("ArrowLeft");
  await expect.poll(() => new URL(page.url()).searchParams.get("step")).toBe("1");
  await expect.poll(() => returned.getAttribute("src")).not.toBe(clean);
  expect(await violations(page)).toEqual([]);
  await page.goto(page.url().replace("step=1", "step=2"));
  await expect.poll(() => returned.getAttribute("src")).toBe(clean);
  // Another time is another way back, which nobody has asked for.
  await page.locator("input[type=range]").first().focus();
  await page.keyboard.press("ArrowRight");
  await expect.poll(() => new URL(page.url()).searchParams.has("back")).toBe(false);
  await expect.poll(() => returned.count()).toBe(0);
  await page.context().close();
});

it("draws one seed at five scales", async () => {
  const page = await studio.open(`/explain/guidance?${RUN}&compare=1`);
  const pictures = page.locator(".lanes .picture[aria-busy=false] img");
  await expect.poll(() => pictures.count(), { timeout: 60_000 }).toBe(5);
  const drawn = await pictures.evaluateAll((images) => images.map((image) => image.getAttribute("src")));
  expect(new Set(drawn).size).toBe(5);
  await page.context().close();
});

it("races from one seed, and its first lane has a picture", async () => {
  const page = await open("race");
  const lanes = page.locator(".lanes li");
  expect(await lanes.first().locator("p").textContent()).toBe("1 step");
  expect(await lanes.count()).toBe(6);
  await page.getByRole("button", { name: "Stop" }).click();
  await page.context().close();
});

it("shows where the layers of one size look in one step, and the address says so", async () => {
  const page = await open("attention");
  const map = page.locator("figure img").first();
  const src = async () => map.getAttribute("src");
  const all = await src();
  await page.locator("select").selectOption({ index: 1 });
  await expect.poll(src).not.toBe(all);
  const group = await src();
  await page.locator("input[type=range]").focus();
  await page.keyboard.press("ArrowRight");
  await expect.poll(src).not.toBe(group);
  const one = await src();
  const { searchParams } = new URL(page.url());
  expect([searchParams.get("layers"), searchParams.get("step")]).toEqual(["32×32", "1"]);
  await page.reload();
  await expect.poll(async () => (await map.count()) > 0 && src()).toBe(one);
  await page.context().close();
});

it("has a row for each layer of the text transformer", async () => {
  const page = await open("words");
  await page.getByRole("heading", { name: "The text transformer" }).waitFor();
  const { text } = (await (await fetch(`${studio.origin}/api/explain/model`)).json()) as ExplainedModel;
  const rows = page.getByRole("region", { name: "Parts of the text transformer" }).locator("tbody tr");
  expect(await rows.count()).toBe(text.parts.length);
  expect(await rows.nth(1).textContent()).toContain(`${text.heads} heads of ${text.width / text.heads}`);
  expect(await violations(page)).toEqual([]);
  await page.context().close();
});

it("draws the tokens bolder at a higher temperature", async () => {
  const page = await open("next-word");
  const first = page.locator("li .number").first();
  const share = async () => Number.parseFloat((await first.textContent())!);
  const bold = await share();
  await page.locator("input[type=range]").focus();
  for (let i = 0; i < 15; i++) await page.keyboard.press("ArrowLeft");
  await expect.poll(share).toBeGreaterThan(bold + 10);
  await page.context().close();
});

it("the pages had nothing to complain about, and asked no other machine", () => expect(studio.said).toEqual([]));
