import { latentSums, repeated } from "../models/index.ts";
import type { KeptTensor } from "../runtime/index.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import type { ModelPart } from "../weights/index.ts";
import type { Network, Sessions } from "./sessions.ts";

/** What comes to the vectors: Σ shareᵢ · rowᵢ, and what the U-Net is to be shown then. */
export interface Placing {
  /** Which vector it is. */
  readonly vector: number;
  /** One for each row. */
  readonly shares: readonly number[];
  /** Of all vectors in the next sample. */
  readonly weights: Float32Array;
}

/** The vectors of a walk as sums (see `WalkSums`) and the latest sum of them, which stay where they are computed. */
export interface KeptLatents {
  /** [1, C, H, W] */
  readonly sample: KeptTensor;
  /** Takes rows [B, C, H, W] up among the vectors. Rejects as `finite` does where they are not. */
  place(rows: Tensor<"float32"> | KeptTensor, placing: Placing, signal?: AbortSignal): Promise<void>;
  /** The sample in numbers. */
  read(signal?: AbortSignal): Promise<Float32Array>;
  dispose(): void;
}

/** A network that computes with no weights at all. Their numbers are nobody's but the sampler's: they stay in float32. */
type Bare = Pick<Network, "name" | "variant" | "build">;
const bare = (part: ModelPart, network: Bare): Network => ({ ...network, part, partial: true, exact: true });

/**
 * @param predicting the network whose predictions are taken up
 * @param latent the shape of a latent
 * @param vectors how many there will be
 */
export function createKeptLatents(
  sessions: Pick<Sessions, "run" | "runKeeping" | "finite">,
  predicting: Pick<Network, "name" | "part">,
  latent: readonly number[],
  vectors: number,
): KeptLatents {
  let kept: { readonly vectors: KeptTensor; readonly sample: KeptTensor } | undefined;
  const dispose = (): void => {
    kept?.vectors.dispose();
    kept?.sample.dispose();
    kept = undefined;
  };
  const sample = (): KeptTensor => {
    if (!kept) throw new Error("There are no latents yet, or no more.");
    return kept.sample;
  };
  return {
    get sample() {
      return sample();
    },
    async place(rows, { vector, shares, weights }, signal) {
      const count = rows.shape[0]!;
      const begun = kept !== undefined;
      const network = bare(predicting.part, {
        name: `latents, ${count} ${begun ? "more" : "first"}`,
        variant: `${vectors} of ${latent}`,
        build: () => ({ graph: latentSums({ latent, vectors, rows: count, begun }), kept: ["next.vectors", "sample"] }),
      });
      const place = new Float32Array(vectors);
      place[vector] = 1;
      const feeds = {
        rows,
        shares: float32([count, 1], shares),
        place: float32([vectors, 1], place),
        weights: float32([vectors, 1], weights),
        ...(kept && { vectors: kept.vectors }),
      };
      const { outputs, kept: next } = await sessions.runKeeping(network, feeds, signal);
      dispose();
      kept = { vectors: next["next.vectors"]!, sample: next["sample"]! };
      await sessions.finite(outputs["total"], predicting);
    },
    read: async (signal) => (await readKept(sessions, predicting.part, sample(), signal)).data,
    dispose,
  };
}

/** The numbers of a tensor that was kept. */
export async function readKept(
  { run }: Pick<Sessions, "run">,
  part: ModelPart,
  x: KeptTensor,
  signal?: AbortSignal,
): Promise<Tensor<"float32">> {
  const build = () => repeated(x.shape, 1);
  const { y } = await run(
    bare(part, { name: `numbers of ${x.shape[0]}`, variant: `${x.shape}`, build }),
    { x },
    signal,
  );
  return y as Tensor<"float32">;
}

/** One of a batch [1, …] as `times` of it; once, it is the very tensor. */
export async function repeatKept(
  { runKeeping }: Pick<Sessions, "runKeeping">,
  part: ModelPart,
  x: KeptTensor,
  times: number,
  signal?: AbortSignal,
): Promise<KeptTensor> {
  if (times === 1) return x;
  const build = () => ({ graph: repeated(x.shape, times), kept: ["y"] });
  const network = bare(part, { name: `${times} times the latents`, variant: `${x.shape}`, build });
  return (await runKeeping(network, { x }, signal)).kept["y"]!;
}
