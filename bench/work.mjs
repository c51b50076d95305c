/** What benches of pictures take: which model, and how much of a picture. */
import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { HOME, peers } from "./peers/engines.mjs";

/** Wrong usage: a sentence for the person, exit code 2. */
export class Usage extends Error {}

/** What is not there: a sentence for the person, exit code 1. */
export class Missing extends Error {}

export const STAND_INS = ["sd21", "small"];

const common = {
  model: { type: "string" },
  size: { type: "string", default: "256" },
  steps: { type: "string", default: "25" },
  measure: { type: "string" },
  cfg: { type: "string", default: "7.5" },
  threads: { type: "string", default: `${availableParallelism()}` },
  markdown: { type: "boolean", default: false },
};

/** The command line's options. */
export function readOptions(options) {
  try {
    return parseArgs({ options }).values;
  } catch (error) {
    throw new Usage(error.message.split("\n")[0]);
  }
}

/** Parses the command line; `options` are those that this bench has beside the common ones. */
export function readWork(options) {
  const values = readOptions({ ...common, ...options });
  const { model } = values;
  const size = whole("size", values.size, 64);
  if (size % 64) throw new Usage(`--size ${size}: every engine takes multiples of 64.`);
  const steps = whole("steps", values.steps);
  const measure = Math.min(steps, whole("measure", values.measure ?? values.steps));
  const cfg = Number(values.cfg);
  if (!(cfg > 1))
    throw new Usage(`--cfg ${values.cfg}: guidance is more than 1, so that all evaluate the U-Net as often.`);
  return {
    values,
    work: {
      model,
      folder: model && folderOf(model),
      size,
      steps,
      measure,
      cfg,
      threads: whole("threads", values.threads),
    },
  };
}

/** Names of peers, from a list with commas. */
export function peersOf(list) {
  const names = list?.split(",") ?? [];
  const unknown = names.find((name) => !Object.hasOwn(peers, name));
  if (unknown === undefined) return names;
  throw new Usage(`There is no peer "${unknown}": ${Object.keys(peers).join(", ")}.`);
}

export function whole(name, text, least = 1) {
  const value = Number(text);
  if (Number.isInteger(value) && value >= least) return value;
  throw new Usage(`--${name} ${text}: it is a whole number from ${least} on.`);
}

/** A stand-in by its name, else a checkpoint folder. */
export function folderOf(model) {
  const folder = STAND_INS.includes(model) ? join(HOME, "models", model) : model;
  if (existsSync(join(folder, "unet/config.json"))) return folder;
  throw new Missing(
    STAND_INS.includes(model)
      ? `The model ${model} is not in ${HOME}/models: npm run bench:setup -- --model ${model} makes it.`
      : `${model} is no checkpoint folder: it has no unet/config.json. --model takes ${STAND_INS.join(", ")} or a folder.`,
  );
}

/** Runs a bench: its errors for people are one line each. */
export async function main(bench) {
  try {
    await bench();
  } catch (error) {
    if (!(error instanceof Usage || error instanceof Missing)) throw error;
    console.error(error.message);
    process.exitCode = error instanceof Usage ? 2 : 1;
  }
}
