import {
  add,
  byteLength,
  Graph,
  lower,
  lowerForLearning,
  lowerings,
  mul,
  productsInFloat16,
  reduceSum,
  toOnnx,
  type Weight,
} from "../graph/index.ts";
import type { Feeds, KeptTensor, Runtime, Session } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import { type AdamWOptions, adamW, adamWDefaults, adamWScalars, clipFactor, STATES } from "./adamw.ts";
import { type GradientOptions, gradientGraph } from "./gradients.ts";
import { alone, type Group } from "./group.ts";
import type { trainPrecisions } from "./limits.ts";
import { firstLossScale, type LossScale, nextLossScale } from "./loss-scale.ts";
import { type Packing, packChunk, packingOf, unpack } from "./packing.ts";

/** What an optimizer remembers of each weight, the weight itself first. */
export type TrainerState = (typeof STATES)[number];

/** Where a trainer stood that goes on. */
export interface TrainerStart {
  /** Steps that were taken. */
  readonly steps: number;
  /** Of a run whose products are computed in float16. Default: as one begins. */
  readonly lossScale?: LossScale;
  values(state: TrainerState, name: string): Float32Array;
}

export interface TrainerOptions extends Partial<AdamWOptions>, Pick<GradientOptions, "gradientCheckpointing"> {
  /** The gradients of all parameters together are no longer than this. Default 1; Infinity does not clip. */
  readonly maxNorm?: number;
  /**
   * float16 computes products in 16 bits, with weights, sums, moments and everything else in 32, and the loss scaled so that
   * gradients do not vanish. Default "float32".
   */
  readonly precision?: TrainPrecision;
  /** Default: no step was taken yet. */
  readonly start?: TrainerStart;
  /** Where a parameter is stored that does not learn; undefined for one that does. Default: all learn. */
  readonly frozen?: Frozen;
  /** Takes each step on the batches of all of them. Default: this process alone. */
  readonly group?: Group;
}

export type TrainPrecision = (typeof trainPrecisions)[number];

export type Frozen = (name: string) => Weight | undefined;

/** What a step came to. */
export interface StepResult {
  /** Before the step. */
  readonly loss: number;
  /** Of all gradients together, before clipping. */
  readonly norm: number;
  /** Whether the step was taken: where loss or gradients are not finite the weights stay as they were. */
  readonly taken: boolean;
  /** Where the gradients alone ran over in 16 bits: what the loss is multiplied with from here on. */
  readonly rescaled?: number;
}

/** The loss graph's own inputs. */
export type Batch = Readonly<Record<string, Tensor>>;

/** A model that learns. Its weights and the optimizer's memory stay with the runtime. */
export interface Trainer {
  /** One step of AdamW on a batch, or on several of one size: the same as on all of them joined, in the memory of one. */
  step(batch: Batch | readonly Batch[], learningRate: number): Promise<StepResult>;
  /** The values of every parameter, or what the optimizer remembers of it, by the parameter's name. */
  read(state: TrainerState): Promise<Map<string, Float32Array>>;
  /** Steps that were taken. */
  readonly steps: number;
  /** Where products are computed in float16. */
  readonly lossScale: LossScale | undefined;
  close(): Promise<void>;
}

/**
 * @param loss a graph with a scalar output "loss"
 * @param initial the values that a parameter starts from
 */
export async function createTrainer(
  loss: Graph,
  initial: (name: string) => Float32Array,
  runtime: Runtime,
  trainerOptions: TrainerOptions = {},
): Promise<Trainer> {
  const { maxNorm = 1, gradientCheckpointing, start, frozen = () => undefined, ...others } = trainerOptions;
  const { group = alone, precision = "float32", ...adam } = others;
  const options = { ...adamWDefaults, ...adam };
  const packing = packingOf({ parameters: new Map([...loss.parameters].filter(([name]) => !frozen(name))) });
  const opened: Session[] = [];
  const onCpu = runtime.device === "cpu";
  const asStored = onCpu && widened(loss, frozen) > MOST_WIDENED;
  const weightOf = (name: string) => frozen(name) ?? noWeights(name);
  const openLowered = async (lowered: Graph, keep: readonly string[] = []): Promise<Session> => {
    const session = await runtime.createSession(toOnnx(lowered, weightOf, { asStored }), { keep, prepare: false });
    opened.push(session);
    return session;
  };
  const open = (graph: Graph, keep?: readonly string[]) => openLowered(lower(graph, lowerings[runtime.device]), keep);
  const names = packing.chunks.map((_, k) => `gradients.${k}`);
  let lossScale = precision === "float16" ? (start?.lossScale ?? firstLossScale) : undefined;
  const scaled = lossScale !== undefined;
  const graph = gradientGraph(loss, packing, {
    gradientCheckpointing,
    scaled,
    weightsTwice: onCpu,
    ...(asStored && { storedAs: storedAs(frozen) }),
  });
  const written = scaled ? productsInFloat16(graph) : graph;
  const gradients = await openLowered(lowerForLearning(runtime.device, written), names);
  const update = await open(
    adamW(options),
    STATES.map((state) => `next.${state}`),
  );
  const reader = await open(identity());
  let adder: Session | undefined;

  const chunks = await beginning(packing, initial, start, await open(identity(), ["y"]));
  let steps = start?.steps ?? 0;

  /** Gradients that were used: the next ones are written in their place. */
  const spare: (readonly KeptTensor[])[] = [];

  /** The gradients of a batch, chunk by chunk, and the sum of their squares. */
  async function differentiate(batch: Batch): Promise<Gradients<KeptTensor>> {
    const fed = Object.fromEntries(chunks.map((chunk, k) => [`weights.${k}`, chunk.weights]));
    const places = spare.pop() ?? [];
    const into = Object.fromEntries(places.map((place, k) => [names[k]!, place]));
    const scale = lossScale && { loss_scale: float32([], [lossScale.factor]) };
    const { outputs, kept } = await gradients.runKeeping({ ...batch, ...fed, ...scale }, { into });
    return {
      loss: numberOf(outputs, "loss"),
      square: numberOf(outputs, "square_norm"),
      parts: names.map((n) => kept[n]!),
    };
  }

  /** Graphics devices write elsewhere: there they would only take memory. */
  function reuse(parts: readonly KeptTensor[]): void {
    if (parts.every(({ location }) => location === "cpu")) spare.push(parts);
    else for (const part of parts) part.dispose();
  }

  /** The sum of both, in the place of the first where the runtime can. */
  async function addUp(a: Gradients<KeptTensor>, b: Gradients<KeptTensor>): Promise<Gradients<KeptTensor>> {
    adder ??= await open(sum(), ["sum"]);
    const parts: KeptTensor[] = [];
    let square = 0;
    for (const [k, part] of a.parts.entries()) {
      const { outputs, kept } = await adder.runKeeping({ a: part, b: b.parts[k]! }, { into: { sum: part } });
      parts.push(kept["sum"]!);
      square += numberOf(outputs, "square_norm");
      if (kept["sum"] !== part) part.dispose();
    }
    reuse(b.parts);
    return { loss: a.loss + b.loss, square, parts };
  }

  /** The sum over all processes. */
  async function addUpAll({ loss, parts }: Gradients<KeptTensor>): Promise<Gradients<Tensor>> {
    const sums: Tensor[] = [];
    for (const part of parts) {
      const { y } = await reader.run({ x: part });
      await group.sum(y!.data as Float32Array);
      sums.push(y!);
    }
    const losses = Float32Array.of(loss);
    await group.sum(losses);
    return { loss: losses[0]!, square: squareOf(sums), parts: sums };
  }

  /** The states of a chunk after a step, in the place of those before it where the runtime can. */
  async function renew(states: Record<TrainerState, KeptTensor>, about: Feeds) {
    const into = STATES.map((state) => [`next.${state}`, states[state]] as const);
    const { kept } = await update.runKeeping({ ...states, ...about }, { into: Object.fromEntries(into) });
    for (const state of STATES) {
      const next = kept[`next.${state}`]!;
      if (next !== states[state]) states[state].dispose();
      states[state] = next;
    }
  }

  return {
    get steps() {
      return steps;
    },
    get lossScale() {
      return lossScale;
    },
    async step(batch, learningRate) {
      const batches: readonly Batch[] = Array.isArray(batch) ? batch : [batch];
      let own = await differentiate(batches[0]!);
      for (const next of batches.slice(1)) own = await addUp(own, await differentiate(next));
      const total = group.size > 1 ? await addUpAll(own) : own;
      // The loss is a mean over a batch: that over all of them is the mean of theirs.
      const share = 1 / (batches.length * group.size);
      const unscaled = share / (lossScale?.factor ?? 1);
      const [lost, norm] = [total.loss * share, Math.sqrt(total.square) * unscaled];
      const taken = Number.isFinite(lost) && Number.isFinite(norm);
      // A loss that is not finite, or gradients that run over unscaled, are no fault of the scale.
      const ranOver = !taken && Number.isFinite(lost) && lossScale !== undefined && lossScale.factor > 1;
      if (lossScale && (taken || ranOver)) lossScale = nextLossScale(lossScale, ranOver);
      if (taken) {
        const clip = clipFactor(norm, maxNorm) * unscaled;
        const scalars = adamWScalars(options, { step: steps + 1, learningRate, clip });
        let before = Promise.resolve();
        for (const [k, states] of chunks.entries()) {
          // Asked for before the one before is there, so that nobody waits for the way between two processes.
          const done = renew(states, { ...scalars, gradient: total.parts[k]! });
          done.catch(() => {});
          await before;
          before = done;
        }
        await before;
        steps++;
      }
      reuse(own.parts);
      return { loss: lost, norm, taken, ...(ranOver && { rescaled: lossScale!.factor }) };
    },
    async read(state) {
      const values: Float32Array[] = [];
      for (const chunk of chunks) {
        const { y } = await reader.run({ x: chunk[state] });
        values.push(y!.data as Float32Array);
      }
      return unpack(packing, values);
    },
    async close() {
      for (const chunk of chunks) for (const state of STATES) chunk[state].dispose();
      for (const part of spare.flat()) part.dispose();
      for (const session of opened) await session.release();
    },
  };
}

/**
 * Bytes of weights that do not learn up to which they are kept as the graph computes with them. Those of SD 2.1's U-Net, each in all
 * the layouts that a step reads it in, took more than 15 GB.
 */
const MOST_WIDENED = 2 ** 30;

/** What the weights that do not learn take as the loss computes with them. */
function widened({ parameters }: Graph, frozen: Frozen): number {
  const all = [...parameters].filter(([name]) => frozen(name));
  return all.reduce((sum, [, value]) => sum + byteLength(value), 0);
}

const storedAs =
  (frozen: Frozen): GradientOptions["storedAs"] =>
  (name) => {
    const weight = frozen(name)!;
    return "dtype" in weight ? weight.dtype : undefined;
  };

/** The states of each chunk, with the runtime: chunk by chunk, so that all of them never lie in this process at once. */
async function beginning(
  packing: Packing,
  initial: (name: string) => Float32Array,
  start: TrainerStart | undefined,
  keeper: Session,
): Promise<Record<TrainerState, KeptTensor>[]> {
  const chunks: Record<TrainerState, KeptTensor>[] = [];
  for (const [k, length] of packing.chunks.entries()) {
    const keep = async (values: Float32Array) => (await keeper.runKeeping({ x: float32([length], values) })).kept["y"]!;
    const from = (state: TrainerState) => packChunk(packing, k, (name) => start?.values(state, name) ?? initial(name));
    const [weights, zeros] = [from("weights"), new Float32Array(length)];
    chunks.push({
      weights: await keep(weights),
      first_moment: await keep(start ? from("first_moment") : zeros),
      second_moment: await keep(start ? from("second_moment") : zeros),
      ema: await keep(start ? from("ema") : weights),
    });
  }
  return chunks;
}

interface Gradients<Part extends Tensor | KeptTensor> {
  readonly loss: number;
  readonly square: number;
  readonly parts: readonly Part[];
}

function squareOf(parts: readonly Tensor[]): number {
  let sum = 0;
  for (const { data } of parts) for (const value of data as Float32Array) sum += value * value;
  return sum;
}

function numberOf(outputs: Readonly<Record<string, Tensor>>, name: string): number {
  return (outputs[name]!.data as Float32Array)[0]!;
}

/** y = x: how what a runtime keeps is read. */
function identity(): Graph {
  const g = new Graph("identity");
  g.output("y", mul(g.input("x", "float32", ["n"]), 1));
  return g;
}

/** "a" and "b" [N] → "sum", and "square_norm", the sum of its squares. */
function sum(): Graph {
  const g = new Graph("sum");
  const both = add(g.input("a", "float32", ["n"]), g.input("b", "float32", ["n"]));
  g.output("sum", both);
  g.output("square_norm", reduceSum(mul(both, both), [0], { keep: false }));
  return g;
}

function noWeights(name: string): never {
  throw new Error(`"${name}" is a stored weight: what learns gets its weights as inputs.`);
}
