/** A network that is just large enough to be worth preparing, its weights in a file. */

import { writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import {
  type ConvolutionForm,
  conv2d,
  Graph,
  linear,
  lowerFor,
  type OnnxModel,
  reshape,
  silu,
  toOnnx,
  toOnnxAhead,
  transpose,
} from "../../src/graph/index.ts";
import { CpuGenerator, float32, float32ToFloat16, type StoredTensor, type Tensor } from "../../src/tensor/index.ts";

const SHAPES = { "conv.weight": [512, 512, 3, 3], "conv.bias": [512], "out.weight": [64, 512] } as const;

/** ONNX Runtime itself, to look at what it is asked for. */
export const ort: typeof import("onnxruntime-node") = createRequire(import.meta.url)("onnxruntime-node");

interface ConvolutionOptions {
  readonly side?: number;
  readonly seed?: number;
  readonly write?: boolean;
  readonly large?: boolean;
  readonly form?: ConvolutionForm;
}

/**
 * Writes the weights into `folder`, in float16, unless they are there, and refers to them.
 *
 * @param large written as large networks are, what follows from weights alone ahead
 */
export function convolution(folder: string, options: ConvolutionOptions = {}): OnnxModel {
  const { side = 8, seed = 1, write = true, large = false, form = "direct" } = options;
  const generator = new CpuGenerator(seed);
  const file = join(folder, "weights.safetensors");
  const places = new Map<string, StoredTensor>();
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, shape] of Object.entries(SHAPES)) {
    const half = float32ToFloat16(generator.randn(shape).map((x) => x / 32));
    const bytes = Buffer.from(half.buffer, half.byteOffset, half.byteLength);
    places.set(name, { dtype: "float16", shape, file, offset, length: bytes.length });
    parts.push(bytes);
    offset += bytes.length;
  }
  if (write) writeFileSync(file, Buffer.concat(parts));
  const g = new Graph("convolution");
  const weight = (name: keyof typeof SHAPES) => g.parameter(name, SHAPES[name]);
  const x = g.input("x", "float32", ["batch", 512, side, side]);
  const seen = silu(conv2d(x, weight("conv.weight"), weight("conv.bias"), { padding: 1 }));
  const rows = transpose(reshape(seen, ["batch", 512, side * side]), [0, 2, 1]);
  g.output("y", linear(rows, weight("out.weight")));
  const weightOf = (name: string) => places.get(name)!;
  const lowered = lowerFor("cpu", g, { form });
  return large ? toOnnxAhead(lowered, weightOf, 0) : toOnnx(lowered, weightOf);
}

/** What {@link convolution} is fed with. */
export function feeds(side = 8): Record<string, Tensor> {
  const shape = [2, 512, side, side];
  return { x: float32(shape, new CpuGenerator(2).randn(shape)) };
}
