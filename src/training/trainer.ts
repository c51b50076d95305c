import { Graph, lower, lowerings, mul, toOnnx } from "../graph/index.ts";
import type { KeptTensor, Runtime, Session } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import { type AdamWOptions, adamW, adamWDefaults, adamWScalars, clipFactor, STATES } from "./adamw.ts";
import { gradientGraph } from "./gradients.ts";
import { pack, packingOf, unpack } from "./packing.ts";

export interface TrainerOptions extends Partial<AdamWOptions> {
  /** The gradients of all parameters together are no longer than this. Default 1; Infinity does not clip. */
  readonly maxNorm?: number;
}

/** What a step came to. */
export interface StepResult {
  /** Before the step. */
  readonly loss: number;
  /** Of all gradients together, before clipping. */
  readonly norm: number;
}

type State = (typeof STATES)[number];

/** A model that learns. Its weights and the optimizer's memory stay with the runtime. */
export interface Trainer {
  /** One step of AdamW on a batch: the loss graph's own inputs. */
  step(batch: Readonly<Record<string, Tensor>>, learningRate: number): Promise<StepResult>;
  /** The values of every parameter, or what the optimizer remembers of it, by the parameter's name. */
  read(state: State): Promise<Map<string, Float32Array>>;
  /** Steps that were taken. */
  readonly steps: number;
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
  { maxNorm = 1, ...adam }: TrainerOptions = {},
): Promise<Trainer> {
  const options = { ...adamWDefaults, ...adam };
  const packing = packingOf(loss);
  const open = (graph: Graph): Promise<Session> =>
    runtime.createSession(toOnnx(lower(graph, lowerings[runtime.device]), noWeights));
  const gradients = await open(gradientGraph(loss, packing));
  const update = await open(adamW(options));
  const reader = await open(identity());
  const gradientNames = packing.chunks.map((_, k) => `gradients.${k}`);

  // Begun as numbers, kept with the runtime from the first step on.
  const start = pack(packing, initial);
  const chunks: Record<State, Tensor | KeptTensor>[] = start.map((values) => {
    const vector = float32([values.length], values);
    const zeros = () => float32([values.length], new Float32Array(values.length));
    return { weights: vector, first_moment: zeros(), second_moment: zeros(), ema: vector };
  });
  let steps = 0;

  return {
    get steps() {
      return steps;
    },
    async step(batch, learningRate) {
      const weights = Object.fromEntries(chunks.map((chunk, k) => [`weights.${k}`, chunk.weights]));
      const { outputs, kept } = await gradients.runKeeping(gradientNames, { ...batch, ...weights });
      const [lost, square] = ["loss", "square_norm"].map((name) => (outputs[name]!.data as Float32Array)[0]!);
      const norm = Math.sqrt(square!);
      const scalars = adamWScalars(options, { step: steps + 1, learningRate, clip: clipFactor(norm, maxNorm) });
      for (const [k, before] of chunks.entries()) {
        const gradient = kept[`gradients.${k}`]!;
        const after = await update.runKeeping(
          STATES.map((state) => `next.${state}`),
          { ...before, ...scalars, gradient },
        );
        gradient.dispose();
        for (const state of STATES) {
          release(before[state]);
          before[state] = after.kept[`next.${state}`]!;
        }
      }
      steps++;
      return { loss: lost!, norm };
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
      for (const chunk of chunks) for (const state of STATES) release(chunk[state]);
      for (const session of [gradients, update, reader]) await session.release();
    },
  };
}

function release(tensor: Tensor | KeptTensor): void {
  if ("dispose" in tensor) tensor.dispose();
}

/** y = x: how what a runtime keeps is read. */
function identity(): Graph {
  const g = new Graph("identity");
  g.output("y", mul(g.input("x", "float32", ["n"]), 1));
  return g;
}

function noWeights(name: string): never {
  throw new Error(`"${name}" is a stored weight: what learns gets its weights as inputs.`);
}
