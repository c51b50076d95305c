/** The server of `inkling train --watch`; its page is opened in test/browser. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type Point, scalarsOf } from "../../src/cli/train/curves.ts";
import { createHistory } from "../../src/cli/train/history.ts";
import { openWatch, type Watch, type WatchState } from "../../src/cli/train/watch.ts";
import { createEventFile, type TrainEvent } from "../../src/training/index.ts";
import { smooth } from "../../web/watch/smooth.ts";

let folder = "";
let watch: Watch | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "inkling-watch-"));
});
afterEach(async () => {
  await watch?.close();
  watch = undefined;
  rmSync(folder, { recursive: true });
});

const point = (step: number, loss = step): Point => ({
  step,
  loss,
  norm: 2,
  learningRate: 0.5,
  imagesPerSecond: 8,
  epoch: 0.25,
});
const stepped = (step: number, loss = step): TrainEvent => ({
  type: "step",
  steps: 9,
  secondsLeft: 1,
  ...point(step, loss),
});

/** A part of a run, as it stands in the folder afterwards. */
async function logged(steps: readonly number[], since: number, loss: (step: number) => number): Promise<void> {
  const file = await createEventFile(join(folder, "logs"), () => since);
  for (const step of steps) await file.scalars(step, scalarsOf(point(step, loss(step))));
  await file.picture(steps.at(-1)!, "samples", { width: 1, height: 1, png: Uint8Array.of(1, 2, 3) });
  await file.close();
}

/** What a page is told, event by event, until `until`. */
async function told(address: string, until: (events: readonly Told[]) => boolean): Promise<readonly Told[]> {
  const { body } = await fetch(`${address}/events`);
  const events: Told[] = [];
  let text = "";
  for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
    text += chunk;
    const parts = text.split("\n\n");
    text = parts.pop()!;
    for (const part of parts) {
      const [, event, data] = /^event: (.*)\ndata: (.*)$/m.exec(part)!;
      events.push({ event: event!, data: JSON.parse(data!) });
    }
    if (until(events)) break;
  }
  return events;
}

interface Told {
  readonly event: string;
  readonly data: WatchState & TrainEvent;
}

function statusFor(address: string, host: string): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    request(address, { headers: { host } }, (response) => {
      response.resume();
      resolve(response.statusCode);
    })
      .on("error", reject)
      .end();
  });
}

describe("the history of a run", () => {
  it("is that of its parts: what was taken anew counts, and what was not written to the end does not", async () => {
    await logged([1, 2, 3, 4, 5], 100, (step) => step);
    await logged([4, 5, 6], 99_999, (step) => 10 * step);
    const torn = join(folder, "logs", "events.out.tfevents.999999.1.inkling");
    writeFileSync(torn, Buffer.from("00000000000000ff".repeat(3), "hex"));
    mkdirSync(join(folder, "samples"));
    for (const name of ["step-000004.txt", "step-000002.png", "other.png"])
      writeFileSync(join(folder, "samples", name), "");
    watch = await openWatch({ folder, things: "texts", port: 0 });
    // It goes on after step 5.
    watch.event({ type: "start", step: 5, steps: 9, parameters: 1 });
    const [{ event, data }] = (await told(watch.address, (events) => events.length === 1)) as [Told];
    expect(event).toBe("state");
    expect(data.points.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 2],
      [3, 3],
      [4, 40],
      [5, 50],
    ]);
    expect(data.points[0]).toEqual(point(1));
    expect([data.folder, data.things]).toEqual([folder, "texts"]);
    expect(data.samples).toEqual(["step-000002.png", "step-000004.txt"]);
    expect(data.latest).toEqual([{ type: "start", step: 5, steps: 9, parameters: 1 }]);
  });

  it("takes no more room the longer it is, and loses no part", () => {
    const history = createHistory([], 8);
    for (let step = 1; step <= 100; step++) history.add(point(step));
    const points = history.points();
    expect(points.length).toBeLessThanOrEqual(8);
    expect(points.at(-1)!.step).toBe(100);
    // Means of the steps that each stands for: 16 at a time.
    expect(points[0]).toEqual(point(16, 8.5));
    expect(points.map(({ step }) => step)).toEqual([16, 32, 48, 64, 80, 96, 100]);
    history.backTo(50);
    expect(history.points().map(({ step }) => step)).toEqual([16, 32, 48]);
  });
});

describe("the server", () => {
  it("tells what happens as it happens, and all of it to who comes later", async () => {
    watch = await openWatch({ folder, things: "texts", port: 0 });
    watch.event({ type: "start", step: 0, steps: 9, parameters: 1 });
    const early = told(watch.address, (events) => events.length === 5);
    await expect.poll(() => statusFor(watch!.address, "localhost")).toBe(200);
    await new Promise((done) => setTimeout(done, 100));
    for (const step of [1, 2, 3]) watch.event(stepped(step));
    watch.event({ type: "recovered", step: 4, from: 1, rateFactor: 0.5 });
    expect((await early).map(({ event, data }) => data.type ?? event)).toEqual([
      "state",
      "step",
      "step",
      "step",
      "recovered",
    ]);
    watch.event(stepped(2, 7));
    watch.event({ type: "sample", step: 2, paths: [join(folder, "samples", "step-000002.png")] });
    const [late] = await told(watch.address, () => true);
    expect(late!.data.points.map(({ step, loss }) => [step, loss])).toEqual([
      [1, 1],
      [2, 7],
    ]);
    expect(late!.data.samples).toEqual(["step-000002.png"]);
    expect(late!.data.latest.map(({ type }) => type)).toEqual(["start", "recovered", "step", "sample"]);
  });

  it("answers this machine alone, with pages that load nothing from elsewhere", async () => {
    mkdirSync(join(folder, "samples"));
    writeFileSync(join(folder, "samples", "step-000002.png"), "a sheet");
    writeFileSync(join(folder, "model_index.json"), "{}");
    watch = await openWatch({ folder, things: "texts", port: 0 });
    expect(watch.address).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/);
    expect(await statusFor(watch.address, "evil.example")).toBe(403);
    expect(await statusFor(`${watch.address}/events`, "evil.example:80")).toBe(403);
    const page = await fetch(watch.address);
    expect(page.status).toBe(200);
    expect(page.headers.get("content-security-policy")).toContain("default-src 'self'");
    expect(await page.text()).toContain('<h2 id="loss-title">Loss</h2>');
    expect(await (await fetch(`${watch.address}/samples/step-000002.png`)).text()).toBe("a sheet");
    for (const path of ["model_index.json", "samples/../model_index.json", "samples/%2e%2e/model_index.json"]) {
      expect((await fetch(`${watch.address}/${path}`)).status, path).toBe(404);
    }
  });

  it("says which port is taken", async () => {
    watch = await openWatch({ folder, things: "texts", port: 0 });
    const port = Number(new URL(watch.address).port);
    await expect(openWatch({ folder, things: "texts", port })).rejects.toThrow(`Port ${port} is taken`);
  });

  it("ends while somebody watches, who gets the last word", async () => {
    const own = await openWatch({ folder, things: "texts", port: 0 });
    const events = told(own.address, () => false);
    await new Promise((done) => setTimeout(done, 200));
    own.event({ type: "saved", step: 9, folder });
    await own.close();
    expect((await events).at(-1)!.data).toEqual({ type: "saved", step: 9, folder });
  });
});

it("smoothing begins with what there is, and passes over what is not finite", () => {
  const four = expect.closeTo(4, 12);
  expect(smooth([4, 4, Number.NaN, 4], 0.9)).toEqual([four, four, Number.NaN, four]);
  expect(smooth([1, 2], 0)).toEqual([1, 2]);
  expect(smooth([0, 1], 0.5)[1]).toBeCloseTo(2 / 3, 12);
});
