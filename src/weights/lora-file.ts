import type { AdapterFormat } from "../configs/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import type { AdaptedPart } from "./adapters.ts";

/** What was learnt beside one layer. */
export interface LoraLayer {
  readonly part: AdaptedPart;
  /** Its path in the network, such as "mid_block.attentions.0.proj_in". */
  readonly layer: string;
  /** [rank, in, …] */
  readonly down: Tensor<"float32">;
  /** [out, rank, …] */
  readonly up: Tensor<"float32">;
}

/**
 * The tensors of a LoRA's file by their names. kohya's layout holds alpha; peft's has no place for it, and diffusers takes rank
 * for it: there the matrices up are multiplied with alpha / rank.
 */
export function loraTensors(
  layers: Iterable<LoraLayer>,
  { rank, alpha }: { readonly rank: number; readonly alpha: number },
  format: AdapterFormat,
): Record<string, Tensor> {
  const tensors: Record<string, Tensor> = {};
  for (const { part, layer, down, up } of layers) {
    if (format === "kohya") {
      const name = `lora_${part === "unet" ? "unet" : "te"}_${layer.replaceAll(".", "_")}`;
      tensors[`${name}.lora_down.weight`] = down;
      tensors[`${name}.lora_up.weight`] = up;
      tensors[`${name}.alpha`] = float32([], [alpha]);
    } else {
      const factor = alpha / rank;
      tensors[`${part}.${layer}.lora_A.weight`] = down;
      tensors[`${part}.${layer}.lora_B.weight`] =
        factor === 1
          ? up
          : float32(
              up.shape,
              up.data.map((x) => x * factor),
            );
    }
  }
  return tensors;
}
