import type { Node, Value } from "../graph.ts";
import { add, convAttributes, reshape } from "../ops/index.ts";
import { fixed } from "../shape.ts";
import { keepsSize } from "./places.ts";
import { timesTransposed } from "./products.ts";
import { sumOfTaps } from "./taps.ts";
import { type Tile, winograd } from "./winograd.ts";

/**
 * How a convolution is computed: by the runtime's own kernel, as a matrix product (1×1), as the sum of one for each tap of its
 * kernel, or by Winograd's F(2×2, 3×3) or F(4×4, 3×3).
 */
export const convolutionForms = ["direct", "product", "taps", "winograd-2", "winograd-4"] as const;
export type ConvolutionForm = (typeof convolutionForms)[number];

/** What a form's cost depends on; convolutions that agree in it are of one class. */
export interface ConvolutionClass {
  readonly batch: number;
  readonly channels: number;
  readonly features: number;
  /** Of the input. */
  readonly height: number;
  readonly width: number;
  readonly kernel: number;
  readonly stride: number;
}

/** A class by its numbers, in one word for each. */
export function nameOfClass(about: ConvolutionClass): string {
  const { batch, channels, features, height, width, kernel, stride } = about;
  return `${batch}x${channels}x${height}x${width} ${features}x${kernel}x${kernel}/${stride}`;
}

/** @param batch what a named first dimension is taken for */
export function classOf(node: Node, batch: number): ConvolutionClass {
  const [x, weight] = node.inputs;
  const { kernel_shape, strides } = convAttributes(node);
  return {
    batch: typeof x!.shape[0] === "number" ? x!.shape[0] : batch,
    channels: fixed(weight!.shape, 1, "Conv"),
    features: fixed(weight!.shape, 0, "Conv"),
    height: fixed(x!.shape, 2, "Conv"),
    width: fixed(x!.shape, 3, "Conv"),
    kernel: kernel_shape[0],
    stride: strides[0],
  };
}

/** Places of a picture up to which its convolution is offered as a sum of taps: with more the kernel is faster. */
const FEW_PLACES = 16;

/**
 * The forms in which a convolution gives what it should. A 3×3 one as a product of the places under the kernel side by side,
 * or as a sum of taps at every size, gains nothing more; what they round differently takes one run of the fixtures beyond
 * its tolerance.
 */
export function formsOf(node: Node): ConvolutionForm[] {
  if (keepsSize(node, 1)) return ["direct", "product"];
  const { shape } = node.outputs[0]!;
  const few = fixed(shape, 2, "Conv") * fixed(shape, 3, "Conv") <= FEW_PLACES;
  return [
    "direct",
    ...(few ? ["taps" as const] : []),
    ...(keepsSize(node, 3) ? (["winograd-2", "winograd-4"] as const) : []),
  ];
}

/** x [B, H, W, C], weight [K, C, …], bias [K] → [B, H, W, K] in any form but the direct one, whose layout is the other. */
export function convolve(
  form: Exclude<ConvolutionForm, "direct">,
  [x, weight, bias]: readonly [Value, Value, Value | undefined],
  node: Node,
): Value {
  if (form === "taps") return sumOfTaps([x, weight, bias], node);
  if (form !== "product") return winograd(x, weight, bias, Number(form.at(-1)) as Tile);
  const product = timesTransposed(x, reshape(weight, weight.shape.slice(0, 2)));
  return bias ? add(product, bias) : product;
}
