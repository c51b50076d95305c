import { rmSync } from "node:fs";
import { mkdir, readdir, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import {
  checkFolder,
  checkSave,
  contactSheet,
  encodePicture,
  formatOfName,
  pictureForSheet,
  type SheetCell,
  saveBytes,
} from "../image/index.ts";
import { InputError } from "../tensor/index.ts";
import type { Dataset, Example, Skipped } from "../training/data/dataset.ts";
import { type DrawingKind, drawingKinds } from "../training/data/drawings/drawings.ts";
import { generatorNames, openDataset } from "../training/data/open.ts";
import { tarOf } from "../training/data/tar.ts";
import { type Cli, write } from "./cli.ts";
import { createCounter } from "./counter.ts";
import { oneLine, UsageError } from "./errors.ts";
import { jsonLine } from "./json.ts";

export interface DatasetCommandOptions {
  readonly preview?: string;
  readonly out?: string;
  readonly count?: number;
  readonly seed?: number;
  readonly size?: number;
  readonly split?: "train" | "heldout";
  readonly kinds?: string;
  readonly caption?: string;
  readonly overwrite?: boolean;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

/** Pictures on a sheet at most: more are too small to be looked at. */
const ON_A_SHEET = 240;
/** Pictures that are drawn or decoded at the same time. */
const TOGETHER = 4;

/**
 * Goes through a dataset once: shows it, writes it, or tells what is said in it. Unusable examples are told and left out.
 *
 * @throws UsageError or InputError where it could not be written in the end, before anything is drawn
 */
export async function datasetCommand(source: string, options: DatasetCommandOptions, cli: Cli): Promise<void> {
  const { preview, out, json = false, quiet = false } = options;
  const generated = generatorNames.includes(source);
  checkOptions(source, options, generated);
  const format = preview === undefined ? undefined : formatOfName(preview);
  if (preview !== undefined) {
    if (!format) throw new UsageError(`--preview ${preview} ends in no picture format: end it in .png, .jpg or .webp`);
    await checkSave(preview, 0, options);
  }
  const destination = out === undefined ? undefined : await destinationOf(out, options);
  const count = options.count ?? (generated ? (out === undefined ? 48 : 1000) : undefined);
  const kinds = options.kinds === undefined ? undefined : kindsOf(options.kinds);
  const dataset = await openDataset(source, { ...options, count, kinds, signal: cli.signal });
  const counter = createCounter(cli, generated ? "drawing" : "reading", { quiet: quiet || json });
  const cells: SheetCell[] = [];
  let told = 0;
  async function* looked(): AsyncGenerator<Example> {
    const onSkip = ({ skipped }: Skipped): void => counter.note(`left out: ${skipped}`);
    for await (const example of examplesOf(dataset, cli.signal, counter.update, onSkip)) {
      told++;
      const { key, picture, caption, attributes } = example;
      if (preview !== undefined && cells.length < ON_A_SHEET) {
        cells.push({ picture: await pictureForSheet(picture, Math.min(dataset.length, ON_A_SHEET)), caption });
      }
      if (json) await write(cli.stdout, jsonLine({ key, text: caption, ...attributes }));
      else if (preview === undefined && out === undefined) await write(cli.stdout, `${oneLine(caption)}\n`);
      yield example;
    }
    if (told === 0) throw new InputError(`Nothing in ${dataset.name} can be used.`);
  }
  try {
    if (destination) await destination(looked());
    else for await (const _ of looked());
  } finally {
    counter.end();
  }
  if (preview !== undefined) await saveBytes(preview, await encodePicture(await contactSheet(cells), format!), options);
  if (json) return;
  for (const written of [out, preview]) if (written !== undefined) await write(cli.stdout, `${written}\n`);
}

function checkOptions(source: string, options: DatasetCommandOptions, generated: boolean): void {
  for (const name of ["seed", "size", "split", "kinds"] as const) {
    if (options[name] !== undefined && !generated) {
      throw new UsageError(`--${name} is for what is generated (${generatorNames.join(", ")}), not for ${source}`);
    }
  }
  if (options.kinds !== undefined && source !== "drawings") throw new UsageError("--kinds is for drawings");
  if (options.caption !== undefined && generated)
    throw new UsageError(`${source} say themselves what they show: drop --caption`);
}

function kindsOf(text: string): DrawingKind[] {
  const names = text.split(",").map((name) => name.trim());
  for (const name of names) {
    if (!drawingKinds.includes(name as DrawingKind)) {
      throw new UsageError(`there are no drawings of the kind "${name}", but of ${drawingKinds.join(", ")}`);
    }
  }
  return names as DrawingKind[];
}

/** The usable examples in their order, a few at work at a time. */
async function* examplesOf(
  dataset: Dataset,
  signal: AbortSignal,
  onProgress: (done: number, total: number, secondsLeft: number) => void,
  onSkip: (what: Skipped) => void,
): AsyncGenerator<Example> {
  const start = performance.now();
  for (let i = 0; i < dataset.length; i += TOGETHER) {
    signal.throwIfAborted();
    const places = Array.from({ length: Math.min(TOGETHER, dataset.length - i) }, (_, k) => i + k);
    for (const example of await Promise.all(places.map((place) => dataset.at(place, { signal })))) {
      if ("skipped" in example) onSkip(example);
      else yield example;
    }
    const done = i + places.length;
    onProgress(done, dataset.length, ((performance.now() - start) / 1000 / done) * (dataset.length - done));
  }
}

type Destination = (examples: AsyncIterable<Example>) => Promise<void>;

/** Where examples are written: all of them, or nothing. */
async function destinationOf(path: string, options: DatasetCommandOptions): Promise<Destination> {
  if (path.toLowerCase().endsWith(".tar")) {
    await checkSave(path, 0, options);
    return (examples) => saveBytes(path, tarOf(filesOf(examples)), options);
  }
  if (/\.\w{2,4}$/.test(path)) throw new UsageError(`--out ${path} is neither a folder nor a .tar`);
  const there = await stat(path).catch(() => undefined);
  if (there && !there.isDirectory()) throw new InputError(`${path} is a file. Name a folder, or a .tar.`);
  if (there && (await readdir(path)).length > 0) {
    throw new InputError(`${path} has files in it and was left as it is. Name another folder, or an empty one.`);
  }
  const folder = resolve(path);
  await checkFolder(dirname(folder), 0);
  return (examples) => writeFolder(folder, examples);
}

/** Three files of one name each, as WebDataset reads them. */
async function* filesOf(examples: AsyncIterable<Example>): AsyncGenerator<{ name: string; bytes: Uint8Array }> {
  const encoder = new TextEncoder();
  for await (const { key, picture, caption, attributes } of numbered(examples)) {
    yield { name: `${key}.png`, bytes: await encodePicture(picture, "png") };
    yield { name: `${key}.txt`, bytes: encoder.encode(caption) };
    yield { name: `${key}.json`, bytes: encoder.encode(JSON.stringify({ text: caption, ...attributes })) };
  }
}

/** Pictures and metadata.jsonl, as Hugging Face's imagefolder reads them; nothing is there before all is. */
async function writeFolder(folder: string, examples: AsyncIterable<Example>): Promise<void> {
  const temporary = join(dirname(folder), `.${basename(folder)}.${process.pid}.tmp`);
  await mkdir(temporary);
  // process.exit() in the midst of this, from a second Ctrl-C, must not leave the temporary folder.
  const clean = (): void => rmSync(temporary, { recursive: true, force: true });
  process.once("exit", clean);
  try {
    const lines: string[] = [];
    for await (const { key, picture, caption, attributes } of numbered(examples)) {
      const name = `${key}.png`;
      await writeFile(join(temporary, name), await encodePicture(picture, "png"));
      lines.push(`${JSON.stringify({ file_name: name, text: caption, ...attributes })}\n`);
    }
    await saveBytes(join(temporary, "metadata.jsonl"), new TextEncoder().encode(lines.join("")));
    // An empty folder gives way; one in which something appeared meanwhile does not.
    await rmdir(folder).catch(() => {});
    await rename(temporary, folder);
  } finally {
    process.off("exit", clean);
    await rm(temporary, { recursive: true, force: true });
  }
}

/** Under names that sort as the examples came, whatever they were called. */
async function* numbered(examples: AsyncIterable<Example>): AsyncGenerator<Example> {
  let number = 0;
  for await (const example of examples) yield { ...example, key: String(number++).padStart(6, "0") };
}
