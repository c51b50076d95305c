/** What is said of a run whose numbers get out of hand. */
import { PassThrough } from "node:stream";
import { describe, expect, it } from "vitest";
import { engine } from "../../src/cli/cli.ts";
import { type ReporterOptions, trainReporter } from "../../src/cli/train/reporter.ts";
import type { EventFile, TrainEvent } from "../../src/training/index.ts";

const recovered: TrainEvent = { type: "recovered", step: 7, from: 5, rateFactor: 0.5 };
const rescaled: TrainEvent = { type: "rescaled", step: 3, lossScale: 32768 };
const RECOVERED =
  "inkling: step 7 gave numbers that are not finite: going on after step 5 at 0.5 of the learning rate\n";
const RESCALED = "inkling: step 3 ran over in 16 bits: its batch is left out, the loss scaled by 32768\n";

/** What both streams were told of events; on a terminal a bar is drawn between them. */
async function said(events: readonly TrainEvent[], options: Omit<ReporterOptions, "things">, isTTY = false) {
  const [stdout, stderr] = [new PassThrough(), Object.assign(new PassThrough(), isTTY && { isTTY, columns: 80 })];
  const log: EventFile = { path: "", scalars: async () => {}, picture: async () => {}, close: async () => {} };
  const cli = { stdout, stderr, env: {}, signal: new AbortController().signal, engine };
  const reporter = trainReporter(cli, log, { ...options, things: "pictures" });
  for (const event of events) await reporter.event(event);
  reporter.end();
  const read = (stream: PassThrough): string => `${stream.read() ?? ""}`;
  return { stdout: read(stdout), stderr: read(stderr) };
}

describe("that numbers were not finite, and that they ran over in 16 bits,", () => {
  it("is a line each", async () => {
    const { stdout, stderr } = await said([rescaled, recovered], {});
    expect(stderr).toBe(RESCALED + RECOVERED);
    expect(stdout).toBe("");
  });

  it("stands below the bar of a terminal", async () => {
    const step: TrainEvent = {
      ...{ type: "step", step: 2, steps: 9, loss: 1, norm: 2, learningRate: 0.5, imagesPerSecond: 8, epoch: 0.25 },
      secondsLeft: 1,
    };
    const { stderr } = await said([step, rescaled, recovered], {}, true);
    expect(stderr.endsWith(RESCALED + RECOVERED)).toBe(true);
    expect(stderr.length).toBeGreaterThan((RESCALED + RECOVERED).length);
  });

  it("is an object each with --json", async () => {
    const { stdout } = await said([rescaled, recovered], { json: true });
    const lines = stdout.trim().split("\n");
    expect(lines.map((line) => JSON.parse(line))).toEqual([rescaled, recovered]);
  });
});

it("of the two --quiet leaves out that which costs one batch", async () => {
  expect((await said([rescaled, recovered], { quiet: true })).stderr).toBe(RECOVERED);
});
