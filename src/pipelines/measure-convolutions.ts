import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  add,
  byteLength,
  type ConvolutionClass,
  type ConvolutionForm,
  classOf,
  convolutionAlone,
  estimate,
  extraBytes,
  formsOf,
  Graph,
  INPUT,
  type Node,
  nameOfClass,
  reshape,
  toOnnx,
  weightsOf,
} from "../graph/index.ts";
import { createProcessRuntime, type KeptTensor, type Runtime } from "../runtime/index.ts";
import { CpuGenerator, float32 } from "../tensor/index.ts";
import type { ModelPart } from "../weights/index.ts";

/** A network whose convolutions are looked at. */
export interface ConvolutionalNetwork {
  readonly graph: Graph;
  /** What a named batch dimension is taken for. */
  readonly batch: number;
  readonly part: ModelPart;
}

/** A class of convolutions in one of its forms, and a layer that stands for it. */
interface Case extends ConvolutionalNetwork {
  readonly node: Node;
  readonly about: ConvolutionClass;
  readonly form: ConvolutionForm;
}

export interface MeasuredConvolution extends Pick<Case, "about" | "form"> {
  /** The fastest of several runs. */
  readonly seconds: number;
}

export interface MeasureProgress {
  readonly done: number;
  readonly total: number;
  readonly secondsLeft: number;
}

export interface MeasureOptions {
  /** Default: one per core. */
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: MeasureProgress) => void;
}

/** Each time at least so many runs, and more of what is short, until they take this many seconds. */
const RUNS = { least: 3, most: 8, seconds: 0.1 };
/** How often everything is measured: what else runs on the machine for a while is not there each time. */
const ROUNDS = 2;
/** Numbers that are looked at before each run: more than a processor's cache holds. */
const NUMBERS = 2 ** 24;
/** What a case is guessed to take beside its runs, in seconds, before the first is done, and the bytes loaded in one. */
const LOAD = { seconds: 0.08, bytes: 5e8, numbers: 0.006 };

/**
 * How long each class of convolutions takes in each of its forms on the CPU, one after another: a layer that stands for
 * its class, with its own weights, by itself, all of them coming from memory as they do in a network. Each is measured
 * more than once, and told every time.
 *
 * @throws what the signal says
 */
export async function* measureConvolutions(
  networks: readonly ConvolutionalNetwork[],
  { threads, signal, onProgress = () => {} }: MeasureOptions = {},
): AsyncGenerator<MeasuredConvolution, void, void> {
  const each = casesOf(networks);
  const cases = Array.from({ length: ROUNDS }, () => each).flat();
  const guesses = cases.map(guess);
  const profile = await mkdtemp(join(tmpdir(), "inkling-measure-"));
  const runtime = createProcessRuntime({ device: "cpu", threads, profile });
  const start = performance.now();
  try {
    const count = Math.max(NUMBERS, ...cases.map(({ about }) => placesOf(about) * about.channels));
    const numbers = await makeNumbers(runtime, 2 ** Math.ceil(Math.log2(count)));
    for (const [i, one] of cases.entries()) {
      const [behind, ahead] = [sum(guesses.slice(0, i)), sum(guesses.slice(i))];
      const pace = i === 0 ? 1 : (performance.now() - start) / 1000 / behind;
      onProgress({ done: i, total: cases.length, secondsLeft: pace * ahead });
      signal?.throwIfAborted();
      const seconds = await measure(one, { runtime, numbers, profile, signal });
      yield { about: one.about, form: one.form, seconds };
    }
    onProgress({ done: cases.length, total: cases.length, secondsLeft: 0 });
  } finally {
    await runtime.close();
    await rm(profile, { recursive: true, force: true });
  }
}

/** Every class once, in each form that is right for it. */
function casesOf(networks: readonly ConvolutionalNetwork[]): Case[] {
  const cases = new Map<string, Case>();
  for (const network of networks) {
    for (const node of network.graph.nodes.filter(({ op }) => op === "Conv")) {
      const about = classOf(node, network.batch);
      for (const form of formsOf(node)) {
        const key = `${nameOfClass(about)} ${form}`;
        if (!cases.has(key)) cases.set(key, { ...network, node, about, form });
      }
    }
  }
  return [...cases.values()];
}

const placesOf = ({ batch, height, width }: ConvolutionClass): number => batch * height * width;

function guess({ node, about, form }: Case): number {
  const bytes = byteLength(node.inputs[1]!) + extraBytes(about, form);
  return LOAD.seconds + bytes / LOAD.bytes + (1 + runsOf(about, form)) * (estimate(about, form) + LOAD.numbers);
}

function runsOf(about: ConvolutionClass, form: ConvolutionForm): number {
  return Math.min(RUNS.most, Math.max(RUNS.least, Math.ceil(RUNS.seconds / estimate(about, form))));
}

/** Random numbers that stay with the runtime: sums of two short rows, each of the one with each of the other. */
async function makeNumbers(runtime: Runtime, count: number): Promise<KeptTensor> {
  const short = 2 ** 12;
  const graph = new Graph("numbers");
  const rows = graph.input("rows", "float32", [count / short, 1]);
  graph.output("numbers", reshape(add(rows, graph.input("columns", "float32", [1, short])), [count]));
  const session = await runtime.createSession(toOnnx(graph, weightsOf(new Map())), { keep: ["numbers"] });
  const random = new CpuGenerator(0);
  const of = (shape: number[]) => float32(shape, random.randn(shape));
  const feeds = { rows: of([count / short, 1]), columns: of([1, short]) };
  const { kept } = await session.runKeeping(feeds);
  await session.release();
  return kept["numbers"]!;
}

interface Bench {
  readonly runtime: Runtime;
  readonly numbers: KeptTensor;
  /** Where the runtime writes the times of a session's nodes when it is released. */
  readonly profile: string;
  readonly signal: AbortSignal | undefined;
}

/** Seconds of a case: the fastest of its runs, the first aside. */
async function measure(one: Case, { runtime, numbers, profile, signal }: Bench): Promise<number> {
  const { graph, node, about, form, part } = one;
  const alone = convolutionAlone(graph, node, { form, batch: about.batch, count: numbers.shape[0]! });
  // The runtime optimises large networks in another way than small ones: as a part of its own is how this one counts.
  const weightBytes = [...graph.parameters.values()].reduce((bytes, value) => bytes + byteLength(value), 0);
  const model = { ...toOnnx(alone, weightsOf(part.weights)), weightBytes };
  const session = await runtime.createSession(model, { signal, keep: ["y"] });
  for (let run = 0; run <= runsOf(about, form); run++) {
    const { kept } = await session.runKeeping({ numbers }, { signal });
    kept["y"]!.dispose();
  }
  await session.release();
  const files = await Promise.all((await readdir(profile)).map((file) => readFile(join(profile, file), "utf8")));
  for (const file of await readdir(profile)) await rm(join(profile, file));
  const events = files.map((text) => JSON.parse(text) as ProfileEvent[]).find((all) => all.some(isInput));
  if (!events) throw new Error(`ONNX Runtime wrote no times for ${node.name}.`);
  const [, ...seconds] = secondsOfRuns(events);
  // What else the machine does only ever adds to it.
  return Math.min(...seconds);
}

/** What ONNX Runtime's profile says of a node or a run, in microseconds. */
interface ProfileEvent {
  readonly cat: string;
  readonly name: string;
  readonly ts: number;
  readonly dur: number;
}

const isInput = ({ name }: ProfileEvent): boolean => name.startsWith(`${INPUT}/`);

/** From where the input lies ready to the end of the last node. */
function secondsOfRuns(events: readonly ProfileEvent[]): number[] {
  const end = (all: readonly ProfileEvent[]) => Math.max(...all.map(({ ts, dur }) => ts + dur));
  const runs: number[] = [];
  let nodes: ProfileEvent[] = [];
  for (const event of events) {
    if (event.cat === "Node" && event.name.endsWith("_kernel_time")) nodes.push(event);
    if (event.name !== "model_run") continue;
    runs.push((end(nodes) - end(nodes.filter(isInput))) / 1e6);
    nodes = [];
  }
  return runs;
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
