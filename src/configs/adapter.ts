import type { StoredTensor } from "../tensor/index.ts";

/** In which layout what was tuned is written: peft's, which diffusers loads, or that of kohya's scripts, which A1111's tools load. */
export const adapterFormats = ["diffusers", "kohya"] as const;
export type AdapterFormat = (typeof adapterFormats)[number];

/**
 * What an adapter adds to one layer's weight W, ΔW = factor · product, in the layouts in which it is published:
 * - lora: up · down (Hu et al. 2022); of a convolution, down keeps the kernel and up is 1×1
 * - loha: (w1a · w1b) ∘ (w2a · w2b) (Hyeon-Woo et al. 2022)
 * - lokr: w1 ⊗ w2, each whole or itself a product (Yeh et al. 2024)
 */
export type AdapterLayer = {
  /** alpha / rank */
  readonly factor: number;
} & (
  | { readonly kind: "lora"; readonly down: StoredTensor; readonly up: StoredTensor }
  | { readonly kind: "loha"; readonly w1: Product; readonly w2: Product }
  | { readonly kind: "lokr"; readonly w1: StoredTensor | Product; readonly w2: StoredTensor | Product }
);

/** The matrix product a · b. */
export interface Product {
  readonly a: StoredTensor;
  readonly b: StoredTensor;
}
