import type { InferenceSession, Tensor } from "onnxruntime-node";
import { PbfWriter } from "pbf";
import { add, Graph, type OnnxModel, toOnnx } from "../graph/index.ts";
import { sizeOf } from "../tensor/index.ts";

type Run = Pick<InferenceSession, "run">;
type Feeds = InferenceSession.FeedsType;
type Fetches = Record<string, Tensor | null>;

/** The output that ends a run. */
const END = "end";

/**
 * The model with one output more, the first: a sequence without elements. ONNX Runtime writes outputs where their tensors lie,
 * but its package for Node then copies each of them into memory that nobody reads, which takes an optimizer half as long
 * again. It makes what it returns output by output when all is computed, and gives up at one that is no tensor: before it has
 * copied anything.
 */
export function withEnd(model: OnnxModel): OnnxModel {
  const pbf = new PbfWriter();
  // A field that comes twice is one: the lists of this graph go on with those of the model's.
  pbf.writeMessage(7, writeEnd, END);
  const end = pbf.finish();
  const ended = (graph: Uint8Array): Uint8Array => {
    const bytes = new Uint8Array(end.length + graph.length);
    bytes.set(end);
    bytes.set(graph, end.length);
    return bytes;
  };
  const { bytes, ahead } = model;
  return { ...model, bytes: ended(bytes), ...(ahead && { ahead: { ...ahead, graph: ended(ahead.graph) } }) };
}

/**
 * A session of a model {@link withEnd} as one of the model. Where tensors are given to write to, and the others' shapes are known,
 * nothing is copied.
 */
export function copyless(ort: Pick<Ort, "Tensor">, session: InferenceSession): InferenceSession {
  const run: Run["run"] = async (feeds: Feeds, given: Fetches) => {
    if (Object.values(given).every((place) => place === null)) return session.run(feeds, given);
    const places = Object.entries(given).map(([name, place]) => [name, place ?? placeFor(ort, session, name)] as const);
    if (!places.every(([, place]) => place)) return session.run(feeds, given);
    const fetches = Object.fromEntries(places) as Record<string, Tensor>;
    await runToEnd(session, feeds, fetches);
    return fetches;
  };
  return Object.create(session, {
    outputNames: { value: session.outputNames.filter((name) => name !== END) },
    run: { value: run },
  }) as InferenceSession;
}

/** A tensor for an output of float32 whose shape is known beforehand. */
function placeFor(ort: Pick<Ort, "Tensor">, { outputMetadata }: InferenceSession, name: string): Tensor | undefined {
  const about = outputMetadata.find((output) => output.name === name);
  if (!about?.isTensor || about.type !== "float32") return undefined;
  const shape = about.shape.filter((size) => typeof size === "number");
  if (shape.length < about.shape.length) return undefined;
  return new ort.Tensor("float32", new Float32Array(sizeOf(shape)), shape);
}

async function runToEnd(session: Run, feeds: Feeds, places: Record<string, Tensor>): Promise<void> {
  try {
    await session.run(feeds, { [END]: null, ...places });
  } catch (error) {
    if (!(error instanceof Error && error.message.startsWith("Non tensor type"))) throw error;
  }
}

/** What the package is asked for here. */
export interface Ort {
  readonly InferenceSession: {
    create(model: Uint8Array, options: InferenceSession.SessionOptions): Promise<Run & { release(): Promise<void> }>;
  };
  readonly Tensor: typeof Tensor;
}

/** Whether runs with an {@link withEnd end} compute all before: another version of the package may give up at once. */
export async function endsLast(ort: Ort): Promise<boolean> {
  const graph = new Graph("in_place");
  graph.output("y", add(graph.input("x", "float32", [1]), 1));
  const model = toOnnx(graph, (name) => {
    throw new Error(`"${name}" is no weight of it.`);
  });
  const session = await ort.InferenceSession.create(withEnd(model).bytes, { intraOpNumThreads: 1 });
  const number = new ort.Tensor("float32", new Float32Array(1), [1]);
  try {
    await runToEnd(session, { x: number }, { y: number });
    return number.data[0] === 1;
  } catch {
    return false;
  } finally {
    await session.release();
  }
}

/** A GraphProto of a node SequenceEmpty and its output. */
function writeEnd(name: string, out: PbfWriter): void {
  out.writeMessage(1, writeNode, name);
  out.writeMessage(12, writeOutput, name);
}

function writeNode(name: string, out: PbfWriter): void {
  out.writeStringField(2, name);
  out.writeStringField(4, "SequenceEmpty");
}

/** TypeProto { sequence_type { elem_type { tensor_type { elem_type: FLOAT } } } }. */
const SEQUENCE = Uint8Array.of(0x22, 6, 0x0a, 4, 0x0a, 2, 0x08, 1);

function writeOutput(name: string, out: PbfWriter): void {
  out.writeStringField(1, name);
  out.writeBytesField(2, SEQUENCE);
}
