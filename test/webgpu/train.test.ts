/** `inkling train --device webgpu` as a process. */
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { run, workingFolder } from "../support/binary.ts";
import { nameAdapter } from "./adapter.ts";

nameAdapter();
const env = { VK_ICD_FILENAMES: process.env["VK_ICD_FILENAMES"]! };
const work = workingFolder();

const recipe = {
  model: {
    gpt2: { vocab_size: 8192, n_positions: 32, n_embd: 16, n_layer: 1, n_head: 2, eos_token_id: 8191 },
    tokenizer: "inkdrop-gpt2",
  },
  data: "./texts.txt",
  batch: 2,
  tokens: 8,
  learningRate: 0.02,
  seed: 5,
};

/** The loss of each step. */
async function teach(out: string, device: string, ...more: string[]): Promise<number[]> {
  const args = ["train", "gpt2", "--out", out, "--device", device, "--json", ...more];
  const done = await run(args, { ...work, env });
  expect(done.code, done.stderr).toBe(0);
  expect(done.stderr).toContain(`on ${device} (as asked)`);
  const events = done.stdout.trim().split("\n");
  return events.flatMap((line) => (JSON.parse(line) as { type: string; loss?: number }).loss ?? []);
}

test("a model learns as on the CPU, and a checkpoint goes on on either device", async () => {
  writeFileSync(work.path("texts.txt"), "the deep blue sea\na red wall\na green hill\n");
  writeFileSync(work.path("recipe.json"), JSON.stringify(recipe));
  const whole = await teach("cpu", "cpu", "--config", "recipe.json", "--steps", "3");
  const begun = await teach("mine", "webgpu", "--config", "recipe.json", "--steps", "1");
  const more = await teach("mine", "cpu", "--resume", "--steps", "2");
  const most = await teach("mine", "webgpu", "--resume", "--steps", "3");
  const losses = [...begun, ...more, ...most];
  expect(losses.length).toBe(3);
  for (const [k, want] of whole.entries()) expect(Math.abs(losses[k]! - want), `loss ${k}`).toBeLessThan(2e-5 * want);
});
