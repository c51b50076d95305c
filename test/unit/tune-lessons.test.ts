/** What learns beside a model that stays as it is: a LoRA, and the vectors of a new word. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { adapterFormats } from "../../src/configs/index.ts";
import { conv2d, Graph, mul, reduceMean } from "../../src/graph/index.ts";
import { adaptableLayers, clipText, unet } from "../../src/models/index.ts";
import type { Runtime } from "../../src/runtime/index.ts";
import { createNodeRuntime } from "../../src/runtime/node.ts";
import { CpuGenerator, float32, type StoredTensor, toFloat32 } from "../../src/tensor/index.ts";
import {
  createTrainer,
  type DiffusionModel,
  diffusionLesson,
  diffusionModel,
  gradientGraph,
  type InversionLessonOptions,
  inversionLesson,
  type LoraLessonOptions,
  loraLesson,
  packingOf,
  withPrior,
} from "../../src/training/index.ts";
import {
  type AdaptedPart,
  openAdapter,
  openCheckpoint,
  openPseudoWord,
  readSafetensors,
  readTensor,
} from "../../src/weights/index.ts";
import { path } from "../support/fixtures.ts";
import { examplesOf, gradientsOf, SIDE } from "../support/lesson.ts";

const NAME = "tiny-sd15";
let runtime: Runtime;
let model: DiffusionModel;
let folder = "";
beforeAll(async () => {
  runtime = createNodeRuntime({ device: "cpu", threads: 2 });
  model = await openModel(NAME);
  folder = mkdtempSync(join(tmpdir(), "inkling-tune-"));
});
afterAll(async () => {
  await runtime.close();
  rmSync(folder, { recursive: true });
});

async function openModel(name: string): Promise<DiffusionModel> {
  const { unet, textEncoder, vae, tokenizer, scheduler } = await openCheckpoint(path("checkpoints", name));
  return diffusionModel({ unet, textEncoder, vae, tokenizer, scheduler });
}

const size = { width: SIDE, height: SIDE, captionDropout: 0 };
const loraOf = (options: Partial<LoraLessonOptions> = {}, of = model) =>
  loraLesson(of, runtime, {
    ...size,
    ...{ rank: 3, alpha: 3, targets: "attention", trainTextEncoder: true, seed: 1, format: "diffusers" },
    ...{ file: "lora.safetensors", metadata: {} },
    ...options,
  });

/** Numbers that are neither zero nor alike. */
const some = (count: number, seed: number): Float32Array =>
  new CpuGenerator(seed).randn([count]).map((x: number) => x * 0.1);

/** rows × inner · inner × columns, row by row. */
function product(a: ArrayLike<number>, b: ArrayLike<number>, inner: number): Float64Array {
  const [rows, columns] = [a.length / inner, b.length / inner];
  const out = new Float64Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    for (let k = 0; k < inner; k++) {
      for (let j = 0; j < columns; j++) out[i * columns + j]! += a[i * inner + k]! * b[k * columns + j]!;
    }
  }
  return out;
}

function transposed(a: ArrayLike<number>, columns: number): Float64Array {
  const rows = a.length / columns;
  return Float64Array.from({ length: a.length }, (_, k) => a[(k % rows) * columns + Math.floor(k / rows)]!);
}

/** As the fixtures compare gradients; what is nothing in exact arithmetic is rounding. Gives the largest wanted number. */
function expectNear(got: ArrayLike<number>, want: ArrayLike<number>, tolerance: number, name = ""): number {
  let [worst, largest] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    worst = Math.max(worst, Math.abs(got[i]! - want[i]!));
    largest = Math.max(largest, Math.abs(want[i]!));
  }
  expect(got.length, name).toBe(want.length);
  expect(worst, name).toBeLessThanOrEqual(tolerance * largest + 1e-6);
  return largest;
}

const LAYER = /^(unet|text_encoder)\.(.+)\.lora_down$/;

describe("a LoRA", () => {
  it("changes nothing at first: up is zero, down is not, and the seed decides", async () => {
    const [one, same, other] = [await loraOf(), await loraOf(), await loraOf({ seed: 2 })];
    const names = [...one.loss(1).parameters.keys()].filter((name) => !one.frozen!(name));
    expect(names.length).toBeGreaterThan(200);
    for (const name of names) {
      const values = one.initial(name);
      expect(values).toEqual(same.initial(name));
      expect(values.some((x) => x !== 0)).toBe(name.endsWith(".lora_down"));
      if (name.endsWith(".lora_down")) expect(values).not.toEqual(other.initial(name));
    }
    for (const lesson of [one, same, other]) await lesson.close();
  });

  it("has the gradients that follow from those of the whole weights", async () => {
    const small = await openModel("tiny-bk");
    const [rank, alpha] = [2, 3];
    const lora = await loraOf({ rank, alpha, targets: "convolutions" }, small);
    const values = new Map<string, Float32Array>();
    const initial = (name: string): Float32Array => {
      if (!values.has(name)) values.set(name, some(lora.initial(name).length, values.size));
      return values.get(name)!;
    };
    const batch = await lora.batch(examplesOf("a red circle", "a blue star"), new CpuGenerator(7), 0);
    const learnt = await gradientsOf(runtime, { ...lora, initial }, batch);

    // The same loss where what the LoRA adds is a part of the weights.
    const whole = await diffusionLesson(small, runtime, { ...size, trainTextEncoder: true, seed: 1 });
    const scale = alpha / rank;
    const merged = (name: string): Float32Array => {
      const own = whole.initial(name);
      const [down, up] = ["down", "up"].map((leaf) => values.get(name.replace(/weight$/, `lora_${leaf}`)));
      if (!down || !up) return own;
      const added = product(up, down, rank);
      return own.map((w, i) => w + scale * added[i]!);
    };
    const full = await gradientsOf(runtime, { ...whole, initial: merged }, batch);
    expect(Math.abs(learnt.loss / full.loss - 1)).toBeLessThan(1e-5);

    const layers = [...learnt.gradients.keys()].flatMap((name) => (LAYER.test(name) ? [name.slice(0, -10)] : []));
    expect(learnt.gradients.size).toBe(2 * layers.length);
    let alive = 0;
    for (const layer of layers) {
      const ofWeight = full.gradients.get(`${layer}.weight`)!;
      const [down, up] = [values.get(`${layer}.lora_down`)!, values.get(`${layer}.lora_up`)!];
      const inputs = down.length / rank;
      const wantDown = product(transposed(up, rank), ofWeight, up.length / rank).map((x) => x * scale);
      const wantUp = product(ofWeight, transposed(down, inputs), inputs).map((x) => x * scale);
      const largest = expectNear(learnt.gradients.get(`${layer}.lora_down`)!, wantDown, 1e-4, `${layer} down`);
      expectNear(learnt.gradients.get(`${layer}.lora_up`)!, wantUp, 1e-4, `${layer} up`);
      if (largest > 1e-5) alive++;
    }
    // Queries and keys of a single place have no gradient.
    expect(alive).toBeGreaterThan(0.8 * layers.length);
    await lora.close();
    await whole.close();
  });

  it.each([false, true])(
    "has the same gradients where the model's weights stay in 16 bits and are widened where they are read, blocks computed twice: %s",
    async (gradientCheckpointing) => {
      const half = await openModel("tiny-sd15-fp16");
      const lora = await loraOf({ trainTextEncoder: false }, half);
      const begin = new Map<string, Float32Array>();
      const initial = (name: string): Float32Array => {
        if (!begin.has(name)) begin.set(name, some(lora.initial(name).length, begin.size));
        return begin.get(name)!;
      };
      const batch = await lora.batch(examplesOf("a red circle", "a blue star"), new CpuGenerator(7), 0);
      const held = await gradientsOf(runtime, { ...lora, initial }, batch);
      const storedAs = (name: string) => (lora.frozen!(name) as StoredTensor).dtype;
      const read = await gradientsOf(runtime, { ...lora, initial }, batch, { gradientCheckpointing, storedAs });
      expect(Math.abs(read.loss / held.loss - 1)).toBeLessThan(1e-5);
      expect(held.gradients.size).toBeGreaterThan(100);
      for (const [name, gradient] of held.gradients) expectNear(read.gradients.get(name)!, gradient, 1e-4, name);

      // None of the weights is there in 32 bits from its first reader to its last.
      const loss = lora.loss(2);
      const learn = packingOf({ parameters: new Map([...loss.parameters].filter(([name]) => !lora.frozen!(name))) });
      const graph = gradientGraph(loss, learn, { gradientCheckpointing, storedAs });
      const parameters = new Set(graph.parameters.values());
      expect([...parameters].every(({ dtype }) => dtype === "float16")).toBe(true);
      const wide = new Set(
        graph.nodes.flatMap(({ op, inputs, outputs }) => (op === "Cast" && parameters.has(inputs[0]!) ? outputs : [])),
      );
      const backward = graph.nodes.filter(({ scope }) => /gradient/.test(scope));
      expect(wide.size).toBeGreaterThan(100);
      expect(backward.some(({ inputs }) => inputs.some((x) => x && wide.has(x)))).toBe(false);
      await lora.close();
    },
  );

  it("learns what the model knew along, weighed: the mean over one's own pictures and that over the others", async () => {
    const lora = await loraOf({ trainTextEncoder: false });
    const [own, other, prior] = examplesOf("sks cat", "sks cat, asleep", "a cat");
    const along = withPrior(lora, 0.3);
    const batch = await along.batch(
      [
        { own: own!, prior: prior! },
        { own: other!, prior: prior! },
      ],
      new CpuGenerator(7),
      0,
    );
    const half = (from: number) =>
      Object.fromEntries(
        Object.entries(batch).map(([name, { shape, data }]) => {
          const size = data.length / 2;
          const values = (data as Float32Array).slice(from * size, (from + 1) * size);
          return [name, float32([2, ...shape.slice(1)], name === "weight" ? values.fill(1) : values)];
        }),
      );
    expect(along.loss(2).inputs.map(({ shape }) => shape[0])).toEqual(lora.loss(4).inputs.map(({ shape }) => shape[0]));
    const together = (await gradientsOf(runtime, lora, batch)).loss;
    const [mine, known] = [await gradientsOf(runtime, lora, half(0)), await gradientsOf(runtime, lora, half(1))];
    expect(Math.abs(mine.loss / known.loss - 1)).toBeGreaterThan(1e-3);
    expect(Math.abs(together / (mine.loss + 0.3 * known.loss) - 1)).toBeLessThan(1e-5);
    await along.close();
  });

  it("is written as it was learnt, in both layouts", async () => {
    const [rank, alpha] = [2, 3];
    for (const format of adapterFormats) {
      const lora = await loraOf({ rank, alpha, targets: "convolutions", format });
      const shapes = [...lora.loss(1).parameters].filter(([name]) => !lora.frozen!(name));
      const values = new Map(shapes.map(([name], i) => [name, some(lora.initial(name).length, i)]));
      await lora.write(folder, values);
      const adapter = await openAdapter(join(folder, "lora.safetensors"));
      const networks = {
        unet: unet(model.config.unet, { height: 8, width: 8 }),
        text_encoder: clipText(model.config.text),
      };
      let count = 0;
      for (const part of ["unet", "text_encoder"] as const satisfies AdaptedPart[]) {
        for (const [layer, change] of adapter.layersOf(part, adaptableLayers(networks[part]))) {
          if (change.kind !== "lora") throw new Error(change.kind);
          const [down, up] = [toFloat32(await readTensor(change.down)), toFloat32(await readTensor(change.up))];
          const got = product(up, down, rank).map((x) => x * change.factor);
          const [a, b] = ["down", "up"].map((leaf) => values.get(`${part}.${layer}.lora_${leaf}`)!);
          const want = product(b!, a!, rank).map((x) => (x * alpha) / rank);
          expectNear(got, want, 1e-6, layer);
          count++;
        }
      }
      expect(count).toBe(adapter.size);
      expect(2 * count).toBe(values.size);
      await lora.close();
    }
  });

  it("has the keys and shapes of the published layouts", async () => {
    const keysOf = async (file: string) =>
      new Map([...(await readSafetensors(file)).tensors].map(([name, { shape }]) => [name, shape.join()]));
    const written = async (options: Partial<LoraLessonOptions>) => {
      const lora = await loraOf(options);
      const shapes = [...lora.loss(1).parameters.keys()].filter((name) => !lora.frozen!(name));
      await lora.write(folder, new Map(shapes.map((name) => [name, lora.initial(name)])));
      await lora.close();
      return keysOf(join(folder, "lora.safetensors"));
    };
    const peft = await keysOf(path("adapters", NAME, "lora-peft.safetensors"));
    expect(new Map([...(await written({ rank: 3 }))].sort())).toEqual(new Map([...peft].sort()));
    const kohya = await keysOf(path("adapters", NAME, "lora-kohya.safetensors"));
    const all = await written({ rank: 4, alpha: 2, targets: "convolutions", format: "kohya" });
    for (const [name, shape] of kohya) expect(all.get(name), name).toBe(shape);
  });

  it("learns, and what it was learnt beside stays", async () => {
    const lora = await loraOf({ alpha: 12 });
    const trainer = await createTrainer(lora.loss(2), lora.initial, runtime, { frozen: lora.frozen });
    const batch = await lora.batch(examplesOf("a red circle", "a blue star"), new CpuGenerator(7), 0);
    const losses: number[] = [];
    for (let i = 0; i < 12; i++) losses.push((await trainer.step(batch, 0.01)).loss);
    expect(losses.at(-1)).toBeLessThan(0.9 * losses[0]!);
    const names = [...(await trainer.read("weights")).keys()];
    expect(names.every((name) => /\.lora_(down|up)$/.test(name))).toBe(true);
    await trainer.close();
    await lora.close();
  });
});

it("a convolution that is stored is computed as one that learns", async () => {
  const g = new Graph("loss");
  const scaled = mul(g.input("x", "float32", [2, 16, 8, 8]), g.parameter("p", [1, 16, 1, 1]));
  const y = conv2d(scaled, g.parameter("w", [16, 16, 3, 3]), undefined, { padding: 1 });
  g.output("loss", reduceMean(mul(y, y), [0, 1, 2, 3], { keep: false }));
  const initial = (name: string): Float32Array => (name === "p" ? some(16, 1) : some(16 * 16 * 9, 2));
  const stored = (name: string) => (name === "w" ? float32([16, 16, 3, 3], initial(name)) : undefined);
  const [both, alone] = [
    await createTrainer(g, initial, runtime, { maxNorm: Number.POSITIVE_INFINITY }),
    await createTrainer(g, initial, runtime, { maxNorm: Number.POSITIVE_INFINITY, frozen: stored }),
  ];
  const batch = { x: float32([2, 16, 8, 8], some(2 * 16 * 64, 3)) };
  const [first, second] = [await both.step(batch, 0.01), await alone.step(batch, 0.01)];
  expect(Math.abs(second.loss / first.loss - 1)).toBeLessThan(1e-5);
  expect([...(await alone.read("weights")).keys()]).toEqual(["p"]);
  const [want, got] = [(await both.read("first_moment")).get("p")!, (await alone.read("first_moment")).get("p")!];
  expectNear(got, want, 1e-4);
  for (const trainer of [both, alone]) await trainer.close();
});

describe("a new word", () => {
  const inversionOf = (options: Partial<InversionLessonOptions> = {}) =>
    inversionLesson(model, runtime, {
      ...size,
      ...{ name: "<ink>", vectors: 1, init: "red", format: "diffusers", file: "word.safetensors" },
      ...options,
    });

  it("that begins as known words has their loss and their gradients", async () => {
    const known = "x q";
    const ids = model.words.encode(known).slice(1, -1);
    expect(new Set(ids).size).toBe(ids.length);
    const inversion = await inversionOf({ init: known, vectors: ids.length });
    const names = [...inversion.loss(1).parameters.keys()].filter((name) => !inversion.frozen!(name));
    expect(names).toEqual(["vectors"]);
    const whole = await diffusionLesson(model, runtime, { ...size, trainTextEncoder: true, seed: 1 });
    const own = await inversion.batch(examplesOf("a <ink>", "<INK> by night"), new CpuGenerator(7), 0);
    const said = await whole.batch(examplesOf(`a ${known}`, `${known} by night`), new CpuGenerator(7), 0);
    const [got, want] = [await gradientsOf(runtime, inversion, own), await gradientsOf(runtime, whole, said)];
    expect(Math.abs(got.loss / want.loss - 1)).toBeLessThan(1e-5);
    const table = want.gradients.get("text_encoder.text_model.embeddings.token_embedding.weight")!;
    const width = model.config.text.hidden_size;
    const rows = ids.flatMap((id) => Array.from(table.subarray(id * width, (id + 1) * width), Number));
    expect(expectNear(got.gradients.get("vectors")!, rows, 1e-4)).toBeGreaterThan(1e-5);
    await inversion.close();
    await whole.close();
  });

  it.each([
    ["diffusers", "<ink>"],
    ["kohya", "word"],
  ] as const)("is written as others load it: %s", async (format, name) => {
    const inversion = await inversionOf({ vectors: 3, format });
    await inversion.write(folder, new Map([["vectors", inversion.initial("vectors")]]));
    const limits = { model: NAME, width: model.config.text.hidden_size, most: 75 };
    const word = await openPseudoWord(join(folder, "word.safetensors"), undefined, limits);
    expect(word.name).toBe(name);
    expect(word.vectors.data).toEqual(inversion.initial("vectors"));
    await inversion.close();
  });

  it("begins with something", async () => {
    await expect(inversionOf({ init: " " })).rejects.toThrow(/no word to begin with/);
  });
});
