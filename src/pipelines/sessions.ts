import {
  type AttentionKind,
  attentionKinds,
  type BitsOf,
  type Graph,
  inFewerBits,
  inFloat16,
  lowerFor,
  nameOfKind,
  type PlanOptions,
  toOnnx,
  toOnnxAhead,
  weightsOf,
} from "../graph/index.ts";
import type { Feeds, Runtime, Session } from "../runtime/index.ts";
import { InputError, inTurns, nextTurn, type StoredTensor, type Tensor, untilAborted } from "../tensor/index.ts";
// Not from the room's index: this file also runs in a page, which reads no files.
import { checkWeights } from "../weights/check.ts";
import type { ModelPart, NonFinite, WeightStore } from "../weights/index.ts";
import { precisionChoices, type WeightForm } from "./limits.ts";
import { noFloat16 } from "./no-float16.ts";
import { bitsFor } from "./weight-bits.ts";

/** What a session is made of. */
export interface Network {
  readonly name: string;
  /** What it was built for; one variant of a network is held at a time. */
  readonly variant: string;
  readonly part: ModelPart;
  /** The graph asks for a part of the weights only: more is no cause for a remark. */
  readonly partial?: boolean;
  /** It is asked at the start of a picture only, and need not lie in memory while others compute. */
  readonly brief?: boolean;
  /** Its weights are kept in fewer bits where that is asked for. */
  readonly inBits?: boolean;
  /** How many it mostly computes at once. Default: 2, a prompt and its negative. */
  readonly batch?: number;
  /** Its numbers are too large for 16 bits. */
  readonly exact?: boolean;
  build(): Graph | BuiltGraph;
}

export interface BuiltGraph {
  readonly graph: Graph;
  /** Of parameters that lie elsewhere than in the network's own files. */
  readonly stored?: ReadonlyMap<string, StoredTensor>;
  /** What the graph was cut from: all that the network's files have to hold. Default: the graph. */
  readonly whole?: Graph;
  /** Inputs and outputs that stay with the runtime on their way between networks. Default: none. */
  readonly handed?: readonly string[];
  /** Further outputs that stay with the runtime, in float32 whatever is computed in. Default: none. */
  readonly kept?: readonly string[];
}

export interface SessionsOptions {
  /** Is told of weights that nobody asks for. */
  readonly onNote?: (line: string) => void;
  /** Looks through the weights where a network's output is not finite, to name the one at fault. Default: nobody looks. */
  readonly findNonFinite?: (weights: WeightStore) => Promise<NonFinite | undefined>;
  /** How convolutions are computed on the CPU. Default: as seems fastest. */
  readonly convolutions?: Pick<PlanOptions, "form" | "extraBytes" | "measured">;
  /** What networks are computed in; "auto" takes float16 where the device has it. Default: float32. */
  readonly precision?: (typeof precisionChoices)[number];
  /** In what form the weights of networks that allow it are kept. Default "float32". */
  readonly weights?: WeightForm;
  /** What to try where the weights are in order and the numbers are not. */
  readonly advice?: string;
}

/** What is computed in. */
export type Precision = Exclude<(typeof precisionChoices)[number], "auto">;

/** Bytes of weights from which on a network that is asked briefly makes room for those that compute for long. */
const LARGE = 2 ** 29;

/** Networks on a runtime. A session is made when its network is first asked, and kept for the next time. */
export interface Sessions {
  /**
   * What a network is computed in.
   *
   * @throws InputError where float16 was asked for and the device has none
   */
  precisionOf(network: Pick<Network, "exact" | "inBits">): Promise<Precision>;
  /** Loads a network ahead. */
  open(network: Network, signal?: AbortSignal): Promise<void>;
  run(network: Network, feeds: Feeds, signal?: AbortSignal): Promise<Record<string, Tensor>>;
  /** As `run`; the outputs that the network keeps stay with the runtime. */
  runKeeping(network: Network, feeds: Feeds, signal?: AbortSignal): ReturnType<Session["runKeeping"]>;
  /** NaN never becomes a picture or a score: an InputError names the first weight that is not finite instead. */
  finite(found: Tensor | undefined, network: Pick<Network, "name" | "part">): Promise<Tensor<"float32">>;
  /** Gives the memory back; a network that is asked again is loaded again. */
  release(): Promise<void>;
}

interface Held {
  readonly variant: string;
  readonly session: Session;
  /** It goes when another network is asked. */
  readonly brief: boolean;
}

/**
 * Calls reject with an InputError when weights are missing, of a wrong shape, or not finite.
 *
 * @throws InputError for a precision that there is not
 */
export function createSessions(
  runtime: Runtime,
  {
    onNote = () => {},
    findNonFinite,
    convolutions,
    precision = "float32",
    weights = "float32",
    advice,
  }: SessionsOptions = {},
): Sessions {
  if (!precisionChoices.includes(precision)) {
    throw new InputError(`The precision is ${precisionChoices.join(", ")}, not "${String(precision)}".`);
  }
  if (precision === "float16" && weights !== "float32") {
    throw new InputError(`Weights of ${weights} are computed with in float32: leave out the precision or the weights.`);
  }
  const sessions = new Map<string, Held>();
  const turns = new Map<string, Promise<unknown>>();
  const checked = new Set<ModelPart>();

  /** The session of a network; what it holds for another variant makes room. Callers for one network take turns. */
  function open(network: Network, signal?: AbortSignal): Promise<Session> {
    const { name, variant } = network;
    const work = async (): Promise<Session> => {
      const known = sessions.get(name);
      if (known?.variant === variant && !known.session.ended) return known.session;
      sessions.delete(name);
      await known?.session.release();
      const { session, weightBytes } = await create(network, signal);
      const brief = network.brief === true && runtime.reopensQuickly === true && weightBytes >= LARGE;
      sessions.set(name, { variant, session, brief });
      return session;
    };
    return untilAborted(inTurn(name, work), signal);
  }

  function inTurn<T>(name: string, work: () => Promise<T>): Promise<T> {
    const next = (turns.get(name) ?? Promise.resolve()).then(work, work);
    turns.set(name, next);
    return next;
  }

  /** Ends the sessions of other networks that were asked briefly; what they still compute they compute first. */
  async function makeRoomFor(asked: string): Promise<void> {
    for (const [name, held] of [...sessions]) {
      if (name === asked || !held.brief) continue;
      await inTurn(name, async () => {
        if (sessions.get(name) === held) sessions.delete(name);
        await held.session.release();
      });
    }
  }

  const isInBits = ({ inBits = false }: Pick<Network, "inBits">): boolean => inBits && weights !== "float32";

  async function precisionOf(network: Pick<Network, "exact" | "inBits">): Promise<Precision> {
    // What codes are multiplied with is rounded to 8 bits anyway.
    if (precision === "float32" || isInBits(network)) return "float32";
    const able = (await runtime.abilities?.float16()) ?? false;
    if (precision === "float16" && !able) throw noFloat16(runtime.device, 'float32, or "auto" for what there is');
    return able && !network.exact ? "float16" : "float32";
  }

  /** As the device computes it, in the precision that was asked for. */
  async function lowered(graph: Graph, network: Network, handed: readonly string[]): Promise<Graph> {
    const { abilities, device, signedBytes } = runtime;
    const { batch } = network;
    const half = (await precisionOf(network)) === "float16";
    const right = new Set<string>();
    for (const { width } of abilities ? attentionKinds(graph) : []) {
      for (const dtype of half ? (["float32", "float16"] as const) : (["float32"] as const)) {
        if (await abilities!.attention({ width, dtype })) right.add(nameOfKind({ width, dtype }));
      }
    }
    const attends = (about: AttentionKind) => right.has(nameOfKind(about));
    const narrow = half ? inFloat16(graph, { handed, attends }) : graph;
    return lowerFor(device, narrow, { ...convolutions, attends, signedBytes, ...(batch && { batch }) });
  }

  /** In steps that let the event loop turn: for a large model each takes tens of milliseconds. */
  async function create(network: Network, signal?: AbortSignal) {
    const { part, partial, build } = network;
    signal?.throwIfAborted();
    await nextTurn();
    const built = build();
    const {
      graph,
      stored,
      whole = graph,
      handed = [],
      kept = [],
    }: BuiltGraph = "graph" in built ? built : { graph: built };
    if (!checked.has(part)) {
      const own = [...whole.parameters].filter(([key]) => !stored?.has(key));
      const wanted = new Map(own.map(([key, value]) => [key, value.shape as number[]]));
      checkWeights(part, wanted, { partial }).forEach(onNote);
      if (!partial) checked.add(part);
    }
    await nextTurn();
    // Adapters are small, and stay as they are.
    const bitsOf: BitsOf = (key, count) => (stored?.has(key) ? undefined : bitsFor(weights, count));
    const narrow = isInBits(network) ? inFewerBits(graph, bitsOf) : graph;
    const written = await lowered(narrow, network, handed);
    await nextTurn();
    const weight = weightsOf(part.weights);
    const model = (runtime.makesAhead ? toOnnxAhead : toOnnx)(written, (key) => stored?.get(key) ?? weight(key));
    await nextTurn();
    const keep = [...handed.filter((name) => graph.outputs.has(name)), ...kept];
    // What adapters change is as large as the network itself, and there are many sets of them.
    const session = await runtime.createSession(model, { signal, keep, prepare: stored === undefined, onNote });
    return { session, weightBytes: model.weightBytes };
  }

  /** Asks a network's session in the very turn in which it is known to be there: a run of another size may take its place. */
  async function ask<T>(
    network: Network,
    question: (session: Session) => Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    if (!network.brief) await makeRoomFor(network.name);
    let session = await open(network, signal);
    while (session.ended) session = await open(network, signal);
    return question(session);
  }

  return {
    precisionOf,
    async open(network, signal) {
      await open(network, signal);
    },
    run: (network, feeds, signal) => ask(network, (session) => session.run(feeds, { signal }), signal),
    runKeeping: (network, feeds, signal) => ask(network, (session) => session.runKeeping(feeds, { signal }), signal),
    async finite(found, { name, part: { weights } }) {
      if (await allFinite(found as Tensor<"float32">)) return found as Tensor<"float32">;
      const where = weights.describe();
      const what = `The ${name} gave numbers that are not finite`;
      const culprit = await findNonFinite?.(weights);
      if (culprit) {
        throw new InputError(
          `${what}: its weight "${culprit.name}" in ${where} holds ${culprit.value}. Get the file again.`,
        );
      }
      const weighed = findNonFinite
        ? [`${what} (NaN or infinity), although its weights in ${where} are all finite.`, advice]
        : [`${what} (NaN or infinity).`, advice, `Its weights in ${where} may be damaged: get them again.`];
      throw new InputError(weighed.filter(Boolean).join(" "));
    },
    async release() {
      for (const [name, { session }] of [...sessions]) {
        sessions.delete(name);
        await session.release();
      }
    },
  };
}

/** Whether no number is NaN or infinite. */
export async function allFinite({ data }: Tensor<"float32">): Promise<boolean> {
  let sum = 0;
  await inTurns(data.length, (from, to) => {
    for (let i = from; i < to; i++) sum += data[i]!;
  });
  return Number.isFinite(sum);
}
