import { type AttentionKind, add, attention, cast, Graph, lowerFor, nameOfKind, toOnnx } from "../graph/index.ts";
import { float32 } from "../tensor/index.ts";
import type { Abilities, Feeds, Runtime } from "./runtime.ts";

type Tried = Pick<Runtime, "device" | "createSession">;

/**
 * Those of a runtime's device; none where it is not a WebGPU one.
 *
 * @param hasFloat16 asks the device where it can be asked. Default: it is tried, and where it fails the runtime says so
 */
export function abilitiesOf(runtime: Tried, hasFloat16 = () => roundsToFloat16(runtime)): Abilities {
  const found = new Map<string, Promise<boolean>>();
  const once = (name: string, attempt: () => Promise<boolean>): Promise<boolean> => {
    if (runtime.device !== "webgpu") return Promise.resolve(false);
    const known = found.get(name) ?? attempt().catch(() => false);
    found.set(name, known);
    return known;
  };
  const attention = (about: AttentionKind) => once(nameOfKind(about), () => attendsAlike(runtime, about));
  return {
    float16: () => once("float16", hasFloat16),
    // A small one first: what is wrong at one width is mostly wrong at all, and large ones take a while to compile.
    attention: async (about) => (await attention(SMALLEST)) && attention(about),
  };
}

const SMALLEST: AttentionKind = { width: 8, dtype: "float32" };

/** 2048 + 1 is 2048 in float16. */
async function roundsToFloat16(runtime: Tried): Promise<boolean> {
  const graph = new Graph("float16");
  const x = cast(graph.input("x", "float32", [1]), "float16");
  graph.output("y", cast(add(x, 1), "float32"));
  const [y] = await outputOf(runtime, graph, { x: float32([1], [2048]) });
  return y === 2048;
}

/** More places than the kernels take at once, and no multiple of it. */
const PLACES = { queries: 70, keys: 77 };
const HEADS = 2;
/** Of results between −1 and 1; a key that is counted twice moves them by more. */
const CLOSE = { float32: 1e-4, float16: 1e-2 } as const;

/** Whether the runtime's own attention gives what products and a softmax give. */
async function attendsAlike(runtime: Tried, { width, dtype }: AttentionKind): Promise<boolean> {
  const channels = HEADS * width;
  const feed = (places: number, of: (place: number, channel: number) => number) => {
    const each = (_: unknown, i: number) => of(Math.floor(i / channels), i % channels);
    return float32([1, places, channels], Array.from({ length: places * channels }, each));
  };
  const feeds = {
    q: feed(PLACES.queries, (place, channel) => Math.sin(place + 3 * channel)),
    k: feed(PLACES.keys, (place, channel) => Math.sin(2 * place + 5 * channel)),
    v: feed(PLACES.keys, (place, channel) => Math.cos((place / PLACES.keys) * Math.PI + channel)),
  };
  const own = await outputOf(runtime, lowerFor("webgpu", attentionOf(width, dtype), { attends: () => true }), feeds);
  const plain = await outputOf(runtime, lowerFor("webgpu", attentionOf(width, "float32")), feeds);
  return own.every((value, i) => Math.abs(value - plain[i]!) <= CLOSE[dtype]);
}

/** float32 → float32, and attention between them in `dtype`. */
function attentionOf(width: number, dtype: AttentionKind["dtype"]): Graph {
  const graph = new Graph("attention");
  const input = (name: string, places: number) => cast(graph.input(name, "float32", [1, places, HEADS * width]), dtype);
  const [q, k, v] = [input("q", PLACES.queries), input("k", PLACES.keys), input("v", PLACES.keys)];
  graph.output("y", cast(attention(q, k, v, { heads: HEADS }), "float32"));
  return graph;
}

async function outputOf(runtime: Tried, graph: Graph, feeds: Feeds): Promise<Float32Array> {
  const session = await runtime.createSession(
    toOnnx(graph, (name) => {
      throw new Error(`There is no weight "${name}".`);
    }),
  );
  try {
    return (await session.run(feeds))["y"]!.data as Float32Array;
  } finally {
    await session.release();
  }
}
