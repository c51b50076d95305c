import type { OnnxModel } from "../graph/index.ts";
import type { Tensor } from "../tensor/index.ts";
import type { RuntimeOptions } from "./runtime.ts";

/** What is asked of the inference process, each with a number that its answer repeats. */
export type Request =
  | { readonly id: number; readonly type: "open"; readonly options: RuntimeOptions }
  | { readonly id: number; readonly type: "create"; readonly model: OnnxModel }
  | {
      readonly id: number;
      readonly type: "run";
      readonly session: number;
      readonly feeds: Readonly<Record<string, Tensor>>;
    }
  | { readonly id: number; readonly type: "release"; readonly session: number };

export type Reply =
  | { readonly id: number; readonly error: string }
  | {
      readonly id: number;
      readonly created: number;
      readonly inputNames: readonly string[];
      readonly outputNames: readonly string[];
    }
  | { readonly id: number; readonly outputs: Readonly<Record<string, Tensor>> }
  | { readonly id: number };
