/** Graphs with feeds and the outputs that the reference has for them: what the parity suites run on every device. */
import type { OnnxModel } from "../../src/graph/index.ts";
import type { Runtime, Session } from "../../src/runtime/runtime.ts";
import type { Tensor } from "../../src/tensor/index.ts";
import { expectClose, maxAbs, maxDifference, std } from "./compare.ts";

export interface Tolerance {
  readonly limit: number;
  /** What one unit of the limit is: 1, the std of what is wanted, or its largest absolute value. */
  readonly per: "one" | "std" | "max";
}

/** What a case is of: suites with tolerances of their own look them up by it. */
export type CaseKind = "module" | "timesteps" | "text" | "unet" | "vae" | "clip";

export interface GraphCase {
  readonly name: string;
  readonly kind: CaseKind;
  /** Cases that differ in their feeds alone share one model; those that differ in neither share both. */
  readonly model: OnnxModel;
  readonly feeds: Readonly<Record<string, Tensor>>;
  readonly want: Readonly<Record<string, Tensor>>;
  readonly tolerance: Tolerance;
}

type Outputs = Readonly<Record<string, Tensor>>;

/** Runs cases on `runtime`, keeping the session of the latest model, and what it gave, for the next case. */
export function caseRunner(runtime: Runtime) {
  let kept: { model: OnnxModel; session: Session; feeds?: GraphCase["feeds"]; outputs?: Outputs } | undefined;
  const release = async () => {
    const { session } = kept ?? {};
    kept = undefined;
    await session?.release();
  };
  return {
    async run({ model, feeds }: GraphCase): Promise<Outputs> {
      if (kept?.model !== model) {
        await release();
        kept = { model, session: await runtime.createSession(model) };
      }
      if (kept.feeds !== feeds) {
        kept.outputs = await kept.session.run(feeds);
        kept.feeds = feeds;
      }
      return kept.outputs!;
    },
    async close() {
      await release();
      await runtime.close();
    },
  };
}

/** Expects every wanted output within the case's tolerance, or another one. */
export function expectCase(got: Outputs, { want, tolerance }: GraphCase, { limit, per }: Tolerance = tolerance): void {
  for (const [name, tensor] of Object.entries(want)) {
    const output = got[name];
    if (!output) throw new Error(`There is no output "${name}", only ${Object.keys(got).join(", ")}.`);
    expectClose(output, tensor, limit, { name, per });
  }
}

/** How far off the worst output is, in the units of the case's tolerance. */
export function worstOf(got: Outputs, { want, tolerance }: GraphCase): number {
  const errors = Object.entries(want).map(([name, tensor]) => {
    const values = tensor.data as Float32Array;
    const unit = tolerance.per === "std" ? std(values) : tolerance.per === "max" ? maxAbs(values) : 1;
    return maxDifference(got[name]!.data as Float32Array, values).worst / unit;
  });
  return Math.max(...errors);
}
