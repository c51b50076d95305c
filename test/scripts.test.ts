/** The scripts that find where numbers part from the reference's. */
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type Tensor, tensor, toFloat32 } from "../src/tensor/index.ts";
import { writeSafetensors } from "../src/weights/index.ts";
import { exists, list, need, path, readTensors } from "./support/fixtures.ts";

/** A checkpoint whose reference holds the output of every block. */
const checkpoint = list("checkpoints", "reference").find(
  (name) =>
    exists("checkpoints", "reference", name, "stages.safetensors") &&
    [...readTensors("checkpoints", "reference", name, "stages.safetensors").keys()].some((key) => /^block\./.test(key)),
)!;

let folder = "";
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "inkling-scripts-"));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => join(folder, name);

async function script(name: string, ...args: string[]): Promise<{ code: number; stdout: string }> {
  const file = fileURLToPath(new URL(`../scripts/${name}`, import.meta.url));
  return promisify(execFile)(process.execPath, [file, ...args]).then(
    ({ stdout }) => ({ code: 0, stdout }),
    ({ code, stdout, stderr }: { code: number; stdout: string; stderr: string }) => {
      expect(stderr).toBe("");
      return { code, stdout };
    },
  );
}

it("tap and compare: every block that the reference recorded is equal, and a changed one is found", async () => {
  const stages = readTensors("checkpoints", "reference", checkpoint, "stages.safetensors");
  await writeSafetensors(at("trace.safetensors"), {
    noise: need(stages, "unet.t500.in"),
    timesteps: need(stages, "unet.t500.timestep"),
    "embeddings.cond": need(stages, "unet.text"),
  });
  const blocks = [...stages].filter(([name]) => name.startsWith("block."));
  const theirs: Record<string, Tensor> = Object.fromEntries(blocks.map(([name, t]) => [name.slice(6), t]));
  theirs["out_sample"] = need(stages, "unet.t500.out");
  await writeSafetensors(at("theirs.safetensors"), theirs);

  expect(
    await script("tap.mjs", path("checkpoints", checkpoint), at("trace.safetensors"), at("taps.safetensors")),
  ).toMatchObject({ code: 0 });
  const equal = await script("compare.mjs", at("taps.safetensors"), at("theirs.safetensors"), "5e-5");
  expect(equal.stdout).toContain(`${Object.keys(theirs).length} of `);
  expect(equal.stdout).toContain("none differs");
  expect(equal.code).toBe(0);

  // As if the middle block and what follows were wrong: the middle one is named, not the one with the first name.
  for (const name of ["conv_norm_out", "mid_block", "up_blocks.0"]) {
    const { shape } = theirs[name]!;
    theirs[name] = tensor(
      "float32",
      shape,
      toFloat32(theirs[name]!).map((value) => value * 1.01),
    );
  }
  await writeSafetensors(at("wrong.safetensors"), theirs);
  const wrong = await script("compare.mjs", at("taps.safetensors"), at("wrong.safetensors"), "5e-5");
  expect(wrong.stdout).toMatch(/the first that differs: mid_block\n$/);
  expect(wrong.code).toBe(1);
});
