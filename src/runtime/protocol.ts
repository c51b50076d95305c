import type { OnnxModel } from "../graph/index.ts";
import type { DType, Tensor } from "../tensor/index.ts";
import type { RuntimeOptions, SessionOptions, TensorLocation } from "./runtime.ts";

/** A tensor that the inference process keeps, by its number there. */
export interface KeptReference {
  readonly kept: number;
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly location: TensorLocation;
}

/** What is asked of the inference process, each with a number that its answer repeats. */
export type Request =
  | { readonly id: number; readonly type: "open"; readonly options: RuntimeOptions }
  | {
      readonly id: number;
      readonly type: "create";
      readonly model: OnnxModel;
      readonly options: Pick<SessionOptions, "keep" | "prepare">;
    }
  | {
      readonly id: number;
      readonly type: "run";
      readonly session: number;
      readonly feeds: Readonly<Record<string, Tensor | Pick<KeptReference, "kept">>>;
      /** The numbers of tensors that outputs are written to. */
      readonly into: Readonly<Record<string, number>>;
    }
  | { readonly id: number; readonly type: "dispose"; readonly kept: readonly number[] }
  | { readonly id: number; readonly type: "release"; readonly session: number };

export type Reply =
  | { readonly id: number; readonly error: string }
  | {
      readonly id: number;
      readonly created: number;
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
      readonly notes: readonly string[];
    }
  | {
      readonly id: number;
      readonly outputs: Readonly<Record<string, Tensor>>;
      readonly kept: Readonly<Record<string, KeptReference>>;
    }
  | { readonly id: number };
