/**
 * The stages of the checkpoints of fixtures/checkpoints as graphs: text encoder, U-Net, its blocks, VAE, TAESD. Which
 * checkpoints there are, and every name and size, is read from the files.
 */
import type { OnnxModel, Value, Weight } from "../../src/graph/index.ts";
import { concat, Graph, reshape, slice, toOnnx } from "../../src/graph/index.ts";
import * as models from "../../src/models/index.ts";
import { float32, type StoredTensor, type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { type Checkpoint, type ModelPart, openCheckpoint, openModelPart } from "../../src/weights/index.ts";
import type { GraphCase, Tolerance } from "./cases.ts";
import { exists, list, path, readJson, readTensors } from "./fixtures.ts";
import type { Lowered } from "./modules.ts";

/** The table under checkpoints/ in the fixtures' README; TAESD counts as a VAE. */
const tolerances = {
  text: { limit: 1e-5, per: "std" },
  unet: { limit: 5e-5, per: "std" },
  vae: { limit: 5e-5, per: "std" },
} as const satisfies Record<string, Tolerance>;

export interface StageOptions {
  readonly lowered: Lowered;
  /** What a graph is bound to instead of the place in the file: for pages, which see no files. */
  readonly weight?: (stored: StoredTensor) => Weight;
}

export interface Stages {
  /** The folder or file under fixtures/checkpoints. */
  readonly checkpoint: string;
  /** The folder under fixtures/checkpoints/reference. */
  readonly reference: string;
  readonly cases: readonly GraphCase[];
  /** What the reference holds that no case feeds or compares; ids without a text are the tokenizer's. */
  readonly untested: readonly string[];
}

/** Every checkpoint: folders, single files and lone networks. */
export function checkpointNames(): string[] {
  return list("checkpoints").filter(
    (name) =>
      name.endsWith(".safetensors") ||
      exists("checkpoints", name, "model_index.json") ||
      exists("checkpoints", name, "config.json"),
  );
}

/** What a U-Net's configuration says of widths and sizes, its build aside. */
const SIZES = ["block_out_channels", "cross_attention_dim", "norm_num_groups", "sample_size", "upcast_attention"];

/**
 * The smallest checkpoint of each build of U-Net, and the lone networks: the others come to the same operations at other
 * sizes, or repeat a checkpoint in other files or types.
 */
export function distinctCheckpoints(): string[] {
  const smallest = new Map<string, { name: string; size: number }>();
  for (const name of checkpointNames()) {
    if (!exists("checkpoints", name, "unet")) continue;
    const config = readJson<Record<string, unknown>>("checkpoints", name, "unet", "config.json");
    const build = Object.entries(config).filter(([key]) => !key.startsWith("_") && !SIZES.includes(key));
    // One number of heads for all levels or one each: which, not how many.
    const key = JSON.stringify(
      build.map(([entry, value]) => [entry, /head/.test(entry) ? typeof value : value]).sort(),
    );
    const size = Number(config["sample_size"]);
    if (size < (smallest.get(key)?.size ?? Number.POSITIVE_INFINITY)) smallest.set(key, { name, size });
  }
  const lone = checkpointNames().filter((name) => exists("checkpoints", name, "config.json"));
  return [...[...smallest.values()].map(({ name }) => name), ...lone];
}

export async function stagesOf(checkpoint: string, options: StageOptions): Promise<Stages> {
  const reference = referenceOf(checkpoint);
  const stored = new Reference(readTensors("checkpoints", "reference", reference, "stages.safetensors"));
  const lone = exists("checkpoints", checkpoint, "config.json");
  const cases = lone
    ? tinyVaeCases(await openModelPart(path("checkpoints", checkpoint)), stored, options)
    : checkpointCases(await open(checkpoint), stored, options);
  const named = cases.map((c) => ({ ...c, name: `${checkpoint} ${c.name}` }));
  return { checkpoint, reference, cases: named, untested: stored.untouched() };
}

/** A single file takes its configuration from the folder of its name: tiny models have no published one. */
async function open(checkpoint: string): Promise<Checkpoint> {
  const folder = checkpoint.replace(/\.safetensors$/, "");
  return await openCheckpoint(
    path("checkpoints", checkpoint),
    folder === checkpoint ? {} : { config: path("checkpoints", folder) },
  );
}

/** The reference of that name, or of the checkpoint that holds the very same U-Net in other files. */
function referenceOf(checkpoint: string): string {
  const own = checkpoint.replace(/\.safetensors$/, "");
  const references = list("checkpoints", "reference").filter((name) =>
    exists("checkpoints", "reference", name, "stages.safetensors"),
  );
  if (references.includes(own)) return own;
  const weights = unetWeights(checkpoint);
  const twin = references.find((name) => exists("checkpoints", name, "unet") && same(weights, unetWeights(name)));
  if (!twin) throw new Error(`checkpoints/${checkpoint} has no reference, and no checkpoint with one has its U-Net.`);
  return twin;
}

function unetWeights(checkpoint: string): Map<string, Tensor> {
  const files = list("checkpoints", checkpoint, "unet").filter((name) => name.endsWith(".safetensors"));
  return new Map(files.flatMap((file) => [...readTensors("checkpoints", checkpoint, "unet", file)]));
}

function same(a: ReadonlyMap<string, Tensor>, b: ReadonlyMap<string, Tensor>): boolean {
  const bytes = ({ data }: Tensor) => Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  return (
    a.size === b.size &&
    [...a].every(([name, x]) => {
      const y = b.get(name);
      return y !== undefined && x.dtype === y.dtype && bytes(x).equals(bytes(y));
    })
  );
}

/** The tensors of a reference, remembering which ones were asked for. */
class Reference {
  readonly #tensors: ReadonlyMap<string, Tensor>;
  readonly #touched = new Set<string>();

  constructor(tensors: ReadonlyMap<string, Tensor>) {
    this.#tensors = tensors;
  }

  get(name: string): Tensor | undefined {
    if (this.#tensors.has(name)) this.#touched.add(name);
    return this.#tensors.get(name);
  }

  need(name: string): Tensor {
    const found = this.get(name);
    if (!found) throw new Error(`The reference holds no "${name}".`);
    return found;
  }

  /** What stands in the place of * in the names of the form `before*after`. */
  matching(before: string, after: string): string[] {
    const names = [...this.#tensors.keys()].filter((name) => name.startsWith(before) && name.endsWith(after));
    return names.map((name) => name.slice(before.length, name.length - after.length));
  }

  untouched(): string[] {
    return [...this.#tensors.keys()].filter((name) => !this.#touched.has(name));
  }
}

function checkpointCases(
  { textEncoder, unet, vae }: Checkpoint,
  reference: Reference,
  options: StageOptions,
): GraphCase[] {
  return [
    ...textCases(textEncoder, reference, options),
    ...unetCases(unet, reference, options),
    ...blockCases(unet, reference, options),
    ...vaeCases(vae, reference, options),
  ];
}

function textCases(part: ModelPart, reference: Reference, options: StageOptions): GraphCase[] {
  const tolerance = tolerances.text;
  const config = models.clipTextConfig(part.config);
  const cases: GraphCase[] = [];
  const whole = bind(models.clipText(config), part, options);
  for (const key of reference.matching("ids.", "")) {
    const feeds = { input_ids: reference.need(`ids.${key}`) };
    const want = { last_hidden_state: reference.need(`text.${key}.last`) };
    cases.push({ name: `text ${key}`, kind: "text", model: whole, feeds, want, tolerance });
    const layers = reference.matching(`text.${key}.hidden.`, "").map(Number);
    const pooled = reference.get(`text.${key}.pooled`);
    if (layers.length === 0 && !pooled) continue;
    // A graph of its own: outputs on the way keep the runtime from fusing what it fuses in the whole one.
    const graph = models.clipText(config);
    const inside: Record<string, Tensor> = {};
    for (const layer of layers) {
      // The first hidden state is what goes into the first layer.
      const scope = layer === 0 ? "text_model.embeddings" : `text_model.encoder.layers.${layer - 1}`;
      graph.tap(scope);
      inside[scope] = reference.need(`text.${key}.hidden.${layer}`);
    }
    if (pooled) {
      const last = graph.outputs.get("last_hidden_state")!;
      const end = endOfText(feeds.input_ids, part.config["eos_token_id"]);
      graph.output("pooled", reshape(slice(last, 1, end, end + 1), ["batch", last.shape[2]!]));
      inside["pooled"] = pooled;
    }
    const model = bind(graph, part, options);
    cases.push({ name: `text ${key}, inside`, kind: "text", model, feeds, want: inside, tolerance });
  }
  return cases;
}

/** Where CLIP pools: at the end token, which older configurations call 2 and mean the largest id. */
function endOfText(ids: Tensor, eos: unknown): number {
  const values = Array.from(ids.data as BigInt64Array, Number);
  return values.indexOf(eos === 2 || eos === undefined ? Math.max(...values) : Number(eos));
}

/** What the U-Net is fed with at the stage `key`: latents, timestep, words, and the guidance where it is told. */
function unetFeeds(key: string, reference: Reference): Record<string, Tensor> {
  const sample = reference.need(`unet.${key}.in`);
  const batch = sample.shape[0]!;
  // One time for the whole batch, or one each.
  const times = toFloat32(reference.need(`unet.${key}.timestep`));
  const timestep = Float32Array.from({ length: batch }, (_, i) => times[i % times.length]!);
  const cond = reference.get("unet.timestep_cond");
  return {
    sample,
    timestep: float32([batch], timestep),
    encoder_hidden_states: reference.need("unet.text"),
    ...(cond && { timestep_cond: cond }),
  };
}

function unetCases(part: ModelPart, reference: Reference, options: StageOptions): GraphCase[] {
  const config = models.unetConfig(part.config);
  const bySize = new Map<string, GraphCase[]>();
  for (const key of reference.matching("unet.", ".in")) {
    const feeds = unetFeeds(key, reference);
    const size = places(feeds["sample"]!);
    const alike = bySize.get(`${size.height} × ${size.width}`) ?? [];
    const model = alike[0]?.model ?? bind(models.unet(config, size), part, options);
    const want = { out_sample: reference.need(`unet.${key}.out`) };
    alike.push({ name: `unet ${key}`, kind: "unet", model, feeds, want, tolerance: tolerances.unet });
    bySize.set(`${size.height} × ${size.width}`, alike);
  }
  const cases = [...bySize.values()].flat();
  const guidance = reference.get("unet.timestep_cond.guidance_minus_1");
  if (guidance) cases.push(guidanceCase(toFloat32(guidance), reference.need("unet.timestep_cond"), options));
  return cases;
}

/** The embedding of the guidance, which is not the U-Net's but is made for it, as a graph of a constant. */
function guidanceCase(minusOne: Float32Array, want: Tensor, options: StageOptions): GraphCase {
  const width = want.shape[1]!;
  const rows = Array.from(minusOne, (w) => models.guidanceEmbedding(w + 1, width));
  const feeds = Object.fromEntries(rows.map((row, i) => [`row${i}`, float32([1, width], row)]));
  const graph = new Graph("guidance");
  const inputs = rows.map((_, i) => graph.input(`row${i}`, "float32", [1, width]));
  graph.output("timestep_cond", concat(inputs, 0));
  const model = toOnnx(options.lowered(graph), () => want);
  return {
    name: "unet guidance",
    kind: "unet",
    model,
    feeds,
    want: { timestep_cond: want },
    tolerance: tolerances.unet,
  };
}

/** The stage at which the reference recorded the inside of the U-Net: a constant of its generator, stored nowhere. */
const BLOCKS_AT = "t500";

function blockCases(part: ModelPart, reference: Reference, options: StageOptions): GraphCase[] {
  const paths = reference.matching("block.", "");
  if (paths.length === 0) return [];
  const feeds = unetFeeds(BLOCKS_AT, reference);
  const graph = models.unet(models.unetConfig(part.config), places(feeds["sample"]!));
  for (const scope of paths) graph.tap(scope);
  const model = bind(graph, part, options);
  return paths.map((scope) => ({
    name: `unet block ${scope}`,
    kind: "unet",
    model,
    feeds,
    want: { [scope]: reference.need(`block.${scope}`) },
    tolerance: tolerances.unet,
  }));
}

function vaeCases(part: ModelPart, reference: Reference, options: StageOptions): GraphCase[] {
  const tolerance = tolerances.vae;
  const config = models.vaeConfig(part.config);
  const latents = reference.need("vae.decode.latents");
  const image = reference.need("vae.encode.image");
  const mean = reference.need("vae.encode.mean");
  return [
    {
      name: "vae decode",
      kind: "vae",
      model: bind(models.vaeDecoder(config, places(latents)), part, options),
      feeds: { latents },
      want: { image: reference.need("vae.decode.image") },
      tolerance,
    },
    {
      name: "vae encode",
      kind: "vae",
      model: bind(models.vaeEncoder(config, places(mean)), part, options),
      feeds: { image },
      want: { mean, logvar: reference.need("vae.encode.logvar") },
      tolerance,
    },
  ];
}

function tinyVaeCases(part: ModelPart, reference: Reference, options: StageOptions): GraphCase[] {
  const tolerance = tolerances.vae;
  const config = models.taesdConfig(part.config);
  const latents = reference.need("decode.latents");
  const encoded = reference.need("encode.latents");
  const decoder = bind(models.taesdDecoder(config, places(latents)), part, options);
  const scaled = reference.need("scale_latents");
  const through = (name: string, build: (x: Value) => Value): OnnxModel => {
    const graph = new Graph(name);
    graph.output("out", build(graph.input("in", "float32", latents.shape)));
    return bind(graph, part, options);
  };
  return [
    {
      name: "decode",
      kind: "vae",
      model: decoder,
      feeds: { latents },
      want: { image: reference.need("decode.image") },
      tolerance,
    },
    {
      name: "decode far latents",
      kind: "vae",
      model: decoder,
      feeds: { latents: reference.need("decode.clamp_in") },
      want: { image: reference.need("decode.clamp_out") },
      tolerance,
    },
    {
      name: "encode",
      kind: "vae",
      model: bind(models.taesdEncoder(config, places(encoded)), part, options),
      feeds: { image: reference.need("encode.image") },
      want: { latents: encoded },
      tolerance,
    },
    {
      name: "scale latents",
      kind: "vae",
      model: through("scale", (x) => models.scaleLatents(x, config)),
      feeds: { in: latents },
      want: { out: scaled },
      tolerance,
    },
    {
      name: "unscale latents",
      kind: "vae",
      model: through("unscale", (x) => models.unscaleLatents(x, config)),
      feeds: { in: scaled },
      want: { out: reference.need("unscale_latents") },
      tolerance,
    },
  ];
}

function places(latents: Tensor): { height: number; width: number } {
  const [, , height, width] = latents.shape as [number, number, number, number];
  return { height, width };
}

/** The graph as a device wants it, with the part's weights. */
function bind(graph: Graph, part: ModelPart, { lowered, weight = (stored) => stored }: StageOptions): OnnxModel {
  return toOnnx(lowered(graph), (name) => {
    const stored = part.weights.get(name);
    if (!stored) throw new Error(`${part.weights.describe()} has no "${name}".`);
    return weight(stored);
  });
}
