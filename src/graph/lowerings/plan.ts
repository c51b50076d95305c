import { byteLength, type Graph, type Node, type Value } from "../graph.ts";
import { type ConvolutionClass, type ConvolutionForm, classOf, formsOf } from "./convolutions.ts";

/** What a convolution is to be computed by, and why. */
export interface PlannedConvolution {
  readonly node: Node;
  readonly about: ConvolutionClass;
  readonly form: ConvolutionForm;
  /** Seconds by form, as measured or estimated, without what it takes to turn the layout. */
  readonly seconds: Readonly<Partial<Record<ConvolutionForm, number>>>;
  /** What the form's weights take beyond the convolution's own. */
  readonly extraBytes: number;
}

export interface PlanOptions {
  /** What a named batch dimension is taken for. Default: 2, a prompt and its negative. */
  readonly batch?: number;
  /** Every convolution in this form, where it gives the right result. Default: the fastest within the budget. */
  readonly form?: ConvolutionForm;
  /** What transformed weights may take beyond the plain ones. Default: three tenths of the graph's weights, at least 128 MiB. */
  readonly extraBytes?: number;
  /** Seconds by class and form as they were measured here. Default: the estimate. */
  readonly measured?: Measured;
}

/** Seconds that a convolution of this class took in a form, its input and result lying as the form wants them. */
export type Measured = (about: ConvolutionClass, form: ConvolutionForm) => number | undefined;

/** A form has to gain this much: the estimate is no better. */
const WORTH = 0.1;
const SMALLEST_BUDGET = 2 ** 27;
const BUDGET_SHARE = 0.3;

/**
 * How each convolution of a graph is computed. Every one gets the fastest form that needs no more memory; then, as long as
 * the budget lasts, those are exchanged for a faster one that gain the most seconds per byte, a second time where an even
 * larger form is worth it.
 */
export function planConvolutions(graph: Graph, options: PlanOptions = {}): PlannedConvolution[] {
  const { batch = 2, form: forced } = options;
  const convolutions = graph.nodes.filter(({ op }) => op === "Conv");
  if (forced) return convolutions.map((node) => forcedTo(forced, node, batch));
  const ladders = convolutions.map((node) => ladder(choicesFor(node, batch, options.measured)));
  const chosen = ladders.map(([plain]) => plain!);
  const exchanges = ladders.flatMap((rungs, i) =>
    rungs.slice(1).map((to, below) => ({ i, from: rungs[below]!, to, worth: worthOf(rungs[below]!, to) })),
  );
  let left = budgetFor(graph, options);
  for (const { i, from, to } of exchanges.sort((a, b) => b.worth - a.worth)) {
    const more = to.extraBytes - from.extraBytes;
    if (more > left || chosen[i] !== from) continue;
    left -= more;
    chosen[i] = to;
  }
  return chosen;
}

type Choice = PlannedConvolution & { readonly cost: number };

function choicesFor(node: Node, batch: number, measured: Measured = () => undefined): Choice[] {
  const about = classOf(node, batch);
  const costs = formsOf(node).map((form) => [form, measured(about, form) ?? estimate(about, form)] as const);
  const seconds = Object.fromEntries(costs);
  return costs.map(([form, own]) => {
    // Beside the others, whose layout is another one, the kernel's input and result have to be turned.
    const cost = own + (form === "direct" ? turning(about) : 0);
    return { node, about, form, seconds, cost, extraBytes: extraBytes(about, form) };
  });
}

function forcedTo(forced: ConvolutionForm, node: Node, batch: number): PlannedConvolution {
  const about = classOf(node, batch);
  const forms = formsOf(node);
  // Beside Winograd's convolutions those of 1×1 are products, as their layout is theirs.
  const wanted = forced === "direct" ? [] : [forced, "product" as const];
  const form = wanted.find((one) => forms.includes(one)) ?? "direct";
  return { node, about, form, seconds: { [form]: estimate(about, form) }, extraBytes: extraBytes(about, form) };
}

/** The fastest choice that needs no more memory, then each time the one that gains the most per byte beyond the one before. */
function ladder(choices: readonly Choice[]): Choice[] {
  const rungs = [fastest(choices.filter(({ extraBytes }) => extraBytes === 0))];
  for (;;) {
    const last = rungs.at(-1)!;
    const better = choices.filter(
      ({ extraBytes, cost }) => extraBytes > last.extraBytes && cost < last.cost * (1 - WORTH),
    );
    if (better.length === 0) return rungs;
    rungs.push(better.reduce((a, b) => (worthOf(last, b) > worthOf(last, a) ? b : a)));
  }
}

/** Seconds gained per byte. */
const worthOf = (from: Choice, to: Choice): number => (from.cost - to.cost) / (to.extraBytes - from.extraBytes);

const fastest = (choices: readonly Choice[]): Choice => choices.reduce((a, b) => (b.cost < a.cost ? b : a));

/** Bytes that transformed weights may take beyond the plain ones. */
export function budgetFor(graph: Graph, { extraBytes }: Pick<PlanOptions, "extraBytes">): number {
  return extraBytes ?? Math.max(SMALLEST_BUDGET, BUDGET_SHARE * bytesOfWeights(graph));
}

const bytesOfWeights = (graph: Graph): number =>
  [...graph.parameters.values()].reduce((sum, value: Value) => sum + byteLength(value), 0);

const tileOf = (form: ConvolutionForm): number => Number(form.at(-1));

/** Bytes of the weights in this form, less those of the plain ones. */
export function extraBytes({ channels, features, kernel }: ConvolutionClass, form: ConvolutionForm): number {
  if (!form.startsWith("winograd")) return 0;
  return 4 * channels * features * ((tileOf(form) + 2) ** 2 - kernel ** 2);
}

/** Multiplications and additions of the direct sum: what every form is measured by. */
export function flops({ batch, channels, features, height, width, kernel, stride }: ConvolutionClass): number {
  return (2 * batch * height * width * channels * features * kernel ** 2) / stride ** 2;
}

/**
 * What one Zen 5 machine with two cores did, in operations or bytes a second: the forms compare alike on others, and where
 * they do not, measuring tells (see `inkling doctor --plan`).
 */
const RATES = { kernel: 3.9e11, product: 4.2e11, weights: 3.6e10, cache: 3e10, memory: 1.5e10, turn: 8e9 };
/** Rows of a matrix product with its weights on the right at which it is half as fast as with many. */
const FEW_ROWS = 16;
/** Bytes that stay in the cache between two nodes. */
const CACHE = 2.4e7;
/** Seconds to start a node. */
const NODE = 5e-6;

/** Seconds in which a convolution's input and result are brought from one layout to the other. */
function turning({ batch, channels, features, height, width, stride }: ConvolutionClass): number {
  return (4 * batch * height * width * (channels + features / stride ** 2)) / RATES.turn;
}

/**
 * Seconds that a convolution takes in a form, its input and result lying as the form wants them: its sums and its weights'
 * way from memory, partly at once, and what is moved.
 */
export function estimate(about: ConvolutionClass, form: ConvolutionForm): number {
  const { batch, channels, features, height, width, kernel, stride } = about;
  const places = (batch * height * width) / stride ** 2;
  const weights = 4 * channels * features;
  const moved = (bytes: number, passes: number) => (bytes * passes) / (bytes > CACHE ? RATES.memory : RATES.cache);
  const product = (rows: number, count: number, slowed = 1) =>
    Math.hypot((2 * count * rows * channels * features * slowed) / RATES.product, (count * weights) / RATES.weights);
  if (form === "direct") {
    return Math.hypot(flops(about) / RATES.kernel, (batch * kernel ** 2 * weights) / RATES.weights);
  }
  if (form === "product") return product(places, 1, 1 + FEW_ROWS / places) + NODE;
  if (form === "taps") {
    const taps = kernel ** 2;
    return (
      product(places, taps) + moved(4 * taps * places * channels, 2) + moved(4 * taps * places * features, 2) + 9 * NODE
    );
  }
  const tile = tileOf(form);
  const planes = (tile + 2) ** 2;
  const tiles = batch * Math.ceil(height / tile) * Math.ceil(width / tile);
  const [seen, summed] = [4 * planes * tiles * channels, 4 * planes * tiles * features];
  return product(tiles, planes) + moved(seen, 5) + moved(summed, 4) + 10 * NODE;
}
