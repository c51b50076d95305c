/** scripts/train-mini.mjs as a process, and what it found. */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("../../", import.meta.url));
export const recipeFile: string = `${root}models/recipe.mini.json`;

/** Shares of the pictures in which the colour, the shape, and both were right. */
export interface Shares {
  readonly color: number;
  readonly shape: number;
  readonly both: number;
  /** Pictures. */
  readonly of: number;
}

export interface Mini {
  /** That learning took, without what is drawn and judged. */
  readonly minutes: number;
  readonly trained: Shares;
  readonly untrained: Shares;
}

export async function trainMini(
  out: string,
  { pictures, config = recipeFile }: { readonly pictures: number; readonly config?: string },
): Promise<Mini> {
  const args = [`${root}scripts/train-mini.mjs`, "--out", out, "--config", config, "--pictures", `${pictures}`];
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    maxBuffer: 2 ** 26,
    env: { ...process.env, INKLING_PREPARED: "off" },
  });
  return JSON.parse(stdout.trim().split("\n").at(-1)!) as Mini;
}
