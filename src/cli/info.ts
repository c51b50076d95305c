import { open, stat } from "node:fs/promises";
import { resolveModel } from "../hub/index.ts";
import { parseInfotext } from "../image/infotext.ts";
import { decodePicture, formatOfBytes, readMetadata, readPictureFile } from "../image/read.ts";
import { modelDefaults } from "../pipelines/defaults.ts";
import { modelHash } from "../pipelines/model-hash.ts";
import { sizeOf } from "../tensor/index.ts";
import { type ModelPart, openCheckpoint, openModelPart } from "../weights/index.ts";
import { type Cli, write } from "./cli.ts";
import { oneLine, remark } from "./errors.ts";
import { jsonLine } from "./json.ts";
import { table } from "./table.ts";

/** Tells about a picture or a model, whichever `name` is. */
export async function info(
  name: string,
  { json, config }: { json?: boolean; config?: string },
  cli: Cli,
): Promise<void> {
  const report = (await isPicture(name)) ? await pictureReport(name, cli) : await modelReport(name, config, cli);
  await write(cli.stdout, json ? jsonLine(report.data) : report.text);
}

interface Report {
  readonly data: object;
  readonly text: string;
}

/** A file is a picture by its first bytes or its name, so that a damaged one is told as such. */
async function isPicture(path: string): Promise<boolean> {
  if (!(await stat(path).catch(() => undefined))?.isFile()) return false;
  if (/\.(png|jpe?g|webp|gif|bmp|tiff?|avif|heic)$/i.test(path)) return true;
  const file = await open(path).catch(() => undefined);
  if (!file) return false;
  try {
    const start = new Uint8Array(16);
    await file.read(start, 0, 16, 0);
    return formatOfBytes(start) !== undefined;
  } finally {
    await file.close();
  }
}

async function pictureReport(path: string, cli: Cli): Promise<Report> {
  const bytes = await readPictureFile(path);
  const { format, infotext, notes } = readMetadata(bytes, path);
  for (const note of notes) remark(cli, note);
  // Decoding it tells whether the file is whole.
  const { width, height } = await decodePicture(bytes, path);
  const head = [["picture", `${path}: ${format.toUpperCase()}, ${width}×${height}`]];
  if (infotext === undefined) {
    return { data: { path, format, width, height }, text: `${table(head)}It carries no settings.\n` };
  }
  const { prompt, negativePrompt, fields, settings } = parseInfotext(infotext);
  const data = { path, format, width, height, prompt, negativePrompt, fields: Object.fromEntries(fields), settings };
  const rows = [
    ...head,
    ["prompt", prompt],
    ...(negativePrompt ? [["negative prompt", negativePrompt]] : []),
    ...fields,
  ];
  return { data, text: table(rows.map(([key, value]) => [oneLine(key!), oneLine(value!)])) };
}

async function modelReport(name: string, config: string | undefined, cli: Cli): Promise<Report> {
  const found = await resolveModel(name, cli.env);
  const parts = await openParts(found.path, config, cli);
  const networks = Object.entries(parts.networks).map(([part, model]) => ({ part, ...describePart(model) }));
  const { networks: _, notes, ...facts } = parts;
  const data = { ...found, ...facts, networks };
  const rows = [
    ["model", `${found.name} (${found.path})`],
    ...Object.entries(facts).map(([key, value]) => [key, String(value)]),
    ...networks.map(({ part, kind, parameters, dtypes, bytes }) => [
      part,
      `${kind}: ${parameters.toLocaleString("en")} parameters, ${dtypes.join(", ")}, ${(bytes / 1e6).toFixed(1)} MB`,
    ]),
  ];
  for (const note of notes) remark(cli, note);
  return { data, text: table(rows.map(([key, value]) => [oneLine(key!), oneLine(value!)])) };
}

interface Parts {
  readonly networks: Readonly<Record<string, ModelPart>>;
  readonly notes: readonly string[];
  readonly [fact: string]: unknown;
}

/** A checkpoint, or a folder with one network in it (a VAE, say). */
async function openParts(path: string, config: string | undefined, { env }: Cli): Promise<Parts> {
  const alone = await stat(`${path}/config.json`).catch(() => undefined);
  const whole = await stat(`${path}/model_index.json`).catch(() => undefined);
  if (alone && !whole) return { networks: { network: await openModelPart(path) }, notes: [] };
  const checkpoint = await openCheckpoint(path, { config });
  const { layout, unet, textEncoder, vae, scheduler, notes } = checkpoint;
  const { width, height } = await modelDefaults(checkpoint);
  return {
    layout,
    hash: (await modelHash(checkpoint, env)).slice(0, 10),
    prediction: scheduler["prediction_type"],
    scheduler: scheduler["_class_name"] ?? "not named",
    size: `${width}×${height}`,
    networks: { unet, "text encoder": textEncoder, vae },
    notes,
  };
}

function describePart({ config, weights }: ModelPart) {
  const dtypes = new Map<string, number>();
  let [parameters, bytes] = [0, 0];
  for (const name of weights.names()) {
    const { dtype, shape, length } = weights.get(name)!;
    parameters += sizeOf(shape);
    bytes += length;
    dtypes.set(dtype, (dtypes.get(dtype) ?? 0) + 1);
  }
  const kind = String(
    config["_class_name"] ?? (config["architectures"] as unknown[] | undefined)?.[0] ?? config["model_type"],
  );
  return { kind, parameters, bytes, dtypes: [...dtypes.keys()] };
}
