/** The cases of fixtures/modules as graphs, ready for any runtime: the same list runs on every device. */

import { expect } from "vitest";
import { backward } from "../../src/autograd/index.ts";
import type { Graph, Value } from "../../src/graph/index.ts";
import * as ops from "../../src/graph/index.ts";
import * as blocks from "../../src/models/blocks.ts";
import * as layers from "../../src/models/layers.ts";
import { sinusoids, timestepMlp } from "../../src/models/unet.ts";
import { float32, type Tensor, toFloat32 } from "../../src/tensor/index.ts";
import { expectCase, type GraphCase, type Tolerance } from "./cases.ts";
import { maxAbs } from "./compare.ts";
import { need, readJson, readTensors } from "./fixtures.ts";

/** The table under modules/ in the fixtures' README. */
const tolerances = {
  out: { limit: 1e-5, per: "max" },
  gradients: { limit: 2e-5, per: "max" },
  timesteps: { limit: 2e-5, per: "one" },
} as const satisfies Record<string, Tolerance>;

interface ModuleCase {
  file: string;
  layer: string;
  groups?: number;
  eps?: number;
  heads?: number;
  stride?: number;
  padding?: number | number[];
  size?: [number, number];
  use_linear_projection?: boolean;
  need_probs?: boolean;
}

/** A graph as a device wants it. */
export type Lowered = (graph: Graph) => Graph;

type Inputs = Readonly<Record<string, Value>>;
type Build = (inputs: Inputs, about: ModuleCase, want: ReadonlyMap<string, Tensor>) => Value;

const first = (inputs: Inputs) => Object.values(inputs)[0]!;
const norm = ({ groups, eps }: ModuleCase) => ({ groups: groups!, epsilon: eps! });

/** By the name of the layer; "layer" itself where the fixture puts the weights at the top. */
const builders: Record<string, Build> = {
  GroupNorm: (x, about) => layers.groupNorm("", first(x), norm(about)),
  LayerNorm: (x, about) => layers.layerNorm("", first(x), about.eps),
  gelu: (x) => ops.gelu(first(x)),
  "gelu-tanh": (x) => ops.gelu(first(x), "tanh"),
  "quick-gelu": (x) => ops.quickGelu(first(x)),
  silu: (x) => ops.silu(first(x)),
  softmax: (x) => ops.softmax(first(x)),
  sigmoid: (x) => ops.sigmoid(first(x)),
  tanh: (x) => ops.tanh(first(x)),
  GEGLU: (x, _, want) => {
    const features = need(want, "out").shape.at(-1)!;
    const [value, gate] = ops.split(layers.linear("proj", first(x), 2 * features), 2, -1);
    return ops.mul(value!, ops.gelu(gate!));
  },
  "FeedForward geglu": (x) => blocks.feedForward(first(x)),
  Attention: (x, { heads }) =>
    blocks.attentionLayer(x["hidden_states"]!, x["encoder_hidden_states"], { heads: heads! }),
  "causal self-attention with biases (CLIP text, GPT-2)": (x, { heads }) => {
    const input = first(x);
    const channels = input.shape[2] as number;
    const [q, k, v] = ["q", "k", "v"].map((name) => layers.linear(name, input, channels));
    return layers.linear("o", ops.attention(q!, k!, v!, { heads: heads!, causal: true }), channels);
  },
  BasicTransformerBlock: (x, { heads }) =>
    blocks.transformerBlock(x["hidden_states"]!, x["encoder_hidden_states"]!, { heads: heads! }),
  Transformer2DModel: (x, about) =>
    blocks.spatialTransformer(x["hidden_states"]!, x["encoder_hidden_states"]!, {
      heads: about.heads!,
      norm: norm(about),
      linearProjection: about.use_linear_projection!,
    }),
  ResnetBlock2D: (x, about, want) =>
    blocks.resnetBlock(x["input_tensor"]!, x["temb"], need(want, "out").shape[1]!, norm(about)),
  Downsample2D: (x, about) => blocks.downsample(first(x), about.padding ? "symmetric" : "asymmetric"),
  "Upsample2D nearest 2x, then 3x3": (x) => blocks.upsample(first(x)),
  "Upsample2D nearest to a given size, then 3x3": (x, { size }) => blocks.upsample(first(x), size),
  Conv2d: (x, about, want) => {
    const [channels, , kernel] = need(want, "param.weight").shape;
    const options = { kernel: kernel!, stride: about.stride!, padding: about.padding as number };
    return layers.conv2d("", first(x), channels!, options);
  },
  Linear: (x, _, want) => layers.linear("", first(x), need(want, "out").shape.at(-1)!),
  Embedding: (x, _, want) => ops.gather(first(x).graph.parameter("weight", need(want, "param.weight").shape), first(x)),
  "TimestepEmbedding (linear, SiLU, linear)": (x, _, want) => timestepMlp(first(x), need(want, "out").shape[1]!),
  "TimestepEmbedding with cond_proj (LCM)": (x, _, want) => {
    const sample = x["sample"]!;
    const cond = layers.linear("cond_proj", x["condition"]!, sample.shape[1] as number, { bias: false });
    return timestepMlp(ops.add(sample, cond), need(want, "out").shape[1]!);
  },
};

/**
 * The gradients of every case: of its inputs and of its weights, from the stored gradient of its output.
 *
 * @param which "one of each layer" takes the last of those that differ in sizes and options. Default: all
 */
export function gradientCases(lowered: Lowered, which: "all" | "one of each layer" = "all"): GraphCase[] {
  const all = readJson<ModuleCase[]>("modules", "cases.json");
  const chosen = which === "all" ? all : new Map(all.map((about) => [about.layer, about])).values();
  return [...chosen].map((about) => {
    const { graph, feeds, tensors, weight } = build(about);
    const upstream = need(tensors, "upstream");
    feeds["upstream"] = upstream;
    const values = [...graph.inputs, ...graph.parameters.values()];
    const g = graph.input("upstream", "float32", upstream.shape);
    const gradients = backward(graph, graph.outputs.get("out")!, values, { upstream: g });
    const want: Record<string, Tensor> = {};
    for (const [value, gradient] of gradients) {
      const kind = graph.inputs.includes(value) ? "in" : "param";
      const name = `grad.${kind}.${value.name}`;
      const stored = tensors.get(name) ?? need(tensors, name.replace("conv.", "Conv2d_0."));
      want[name] = stored;
      graph.output(name, gradient);
    }
    const model = ops.toOnnx(lowered(graph), weight);
    return { name: about.file, kind: "module", model, feeds, want, tolerance: tolerances.gradients };
  });
}

const KEY_BIAS = "grad.param.k.bias";

/** Expects every gradient of a case within its tolerance. */
export function expectGradients(got: Readonly<Record<string, Tensor>>, c: GraphCase): void {
  // Softmax does not see what is added to all keys: the gradient is 0, and what is stored is the rounding of another order.
  const { [KEY_BIAS]: zero, ...want } = c.want;
  if (zero) {
    expect(maxAbs(zero.data as Float32Array)).toBeLessThan(1e-12);
    expect(maxAbs(got[KEY_BIAS]!.data as Float32Array)).toBeLessThan(1e-6);
  }
  expectCase(got, { ...c, want });
}

/** Every case of modules/cases.json and the table of timestep embeddings, lowered and written. */
export function moduleCases(lowered: Lowered): GraphCase[] {
  const cases = readJson<ModuleCase[]>("modules", "cases.json");
  return [...cases.map((about) => moduleCase(about, lowered)), ...timestepCases(lowered)];
}

/** The case's graph with its output "out", what it is fed with, and where its weights are. */
function build(about: ModuleCase) {
  const tensors = readTensors("modules", about.file);
  const builder = builders[about.layer];
  if (!builder) throw new Error(`modules/${about.file}: no builder for the layer "${about.layer}".`);
  const graph = new ops.Graph(about.file);
  const feeds: Record<string, Tensor> = {};
  const inputs: Record<string, Value> = {};
  for (const [name, tensor] of withPrefix(tensors, "in.")) {
    feeds[name] = tensor;
    inputs[name] = graph.input(name, tensor.dtype, tensor.shape);
  }
  graph.output("out", builder(inputs, about, tensors));
  // diffusers' Downsample2D keeps its convolution under two names.
  const weight = (name: string) =>
    tensors.get(`param.${name}`) ?? need(tensors, `param.${name.replace("conv.", "Conv2d_0.")}`);
  return { graph, feeds, inputs, tensors, weight };
}

function moduleCase(about: ModuleCase, lowered: Lowered): GraphCase {
  const { graph: g, feeds, inputs, tensors, weight } = build(about);
  const want: Record<string, Tensor> = { out: need(tensors, "out") };
  if (about.need_probs) {
    const probabilities = need(tensors, "attention_probs");
    const of = (name: string, x: Value) =>
      ops.linear(x, g.parameter(`${name}.weight`, need(tensors, `param.${name}.weight`).shape));
    const map = ops.attentionProbabilities(
      of("to_q", inputs["hidden_states"]!),
      of("to_k", inputs["encoder_hidden_states"]!),
      about.heads!,
    );
    g.output("attention_probs", ops.reshape(map, probabilities.shape));
    want["attention_probs"] = probabilities;
  }
  const model = ops.toOnnx(lowered(g), weight);
  return { name: about.file, kind: "module", model, feeds, want, tolerance: tolerances.out };
}

function timestepCases(lowered: Lowered): GraphCase[] {
  const tensors = readTensors("modules", "timestep-embedding.safetensors");
  const timesteps = toFloat32(need(tensors, "timesteps"));
  return [...tensors].flatMap(([name, want]) => {
    const options = /^dim(\d+)\.(flip|noflip)\.shift(\d+)$/.exec(name);
    if (!options) return [];
    const g = new ops.Graph(name);
    const t = g.input("t", "float32", [timesteps.length]);
    const config = { flip_sin_to_cos: options[2] === "flip", freq_shift: Number(options[3]) };
    g.output("out", sinusoids(t, Number(options[1]), config));
    const model = ops.toOnnx(lowered(g), () => need(tensors, name));
    return [
      {
        name: `timestep-embedding ${name}`,
        kind: "timesteps",
        model,
        feeds: { t: float32([timesteps.length], timesteps) },
        want: { out: want },
        tolerance: tolerances.timesteps,
      },
    ];
  });
}

export function* withPrefix(tensors: ReadonlyMap<string, Tensor>, prefix: string): Generator<[string, Tensor]> {
  for (const [name, tensor] of tensors) if (name.startsWith(prefix)) yield [name.slice(prefix.length), tensor];
}
