import type { Level } from "../level.ts";
import type { Journey, Walker } from "../sampler.ts";
import { combine } from "../vector.ts";

export interface PndmOptions {
  /** One entry per network call: the predictions are carried `from` → `to`. */
  moves: readonly { readonly from: Level; readonly to: Level }[];
  /** How many of the calls, at the start, are Runge–Kutta stages; 0 starts with lower-order multistep (PLMS). */
  rungeKuttaCalls: number;
}

/** Adams–Bashforth weights for 1, 2, 3 and 4 predictions, newest first (Liu et al. 2022, § 3.3). */
const ADAMS_BASHFORTH = [
  [1],
  [3 / 2, -1 / 2],
  [23 / 12, -16 / 12, 5 / 12],
  [55 / 24, -59 / 24, 37 / 24, -9 / 24],
] as const;

/** Weights of the classical Runge–Kutta stages. */
const RUNGE_KUTTA = [1 / 6, 1 / 3, 1 / 3, 1 / 6] as const;

/**
 * Pseudo numerical methods (Liu et al. 2022). With Runge–Kutta warm-up it is PNDM: three steps of four stages, then
 * fourth-order multistep. Without, it is PLMS as in latent diffusion: the first step is taken twice, the second time with
 * the mean of the predictions at both its ends.
 *
 * It mixes raw predictions, whatever their type, and reads ε out of the mixture: for v-prediction that is not the mixture
 * of the ε's, and diffusers' numbers depend on it.
 */
export function* pndm(journey: Journey, { moves, rungeKuttaCalls }: PndmOptions): Walker {
  const { levels, interpret } = journey;
  const history: Float32Array[] = [];
  let { x } = journey;
  let base = x;
  let stages: Float32Array[] = [];
  for (let call = 0; call < moves.length; call++) {
    const { prediction } = yield { x, level: levels[call]!, step: call };
    const { from, to } = moves[call]!;
    let mixed: Float32Array;
    if (call < rungeKuttaCalls) {
      const stage = call % 4;
      if (stage === 0) {
        [base, stages] = [x, []];
        history.unshift(prediction);
      }
      stages.push(prediction);
      mixed = stage === 3 ? combine(...stages.map((e, i) => [RUNGE_KUTTA[i]!, e] as const)) : prediction;
    } else if (call === 1 && rungeKuttaCalls === 0) {
      mixed = combine([1 / 2, prediction], [1 / 2, history[0]!]);
    } else {
      base = x;
      history.splice(0, history.length, prediction, ...history.slice(0, 3));
      const weights = ADAMS_BASHFORTH[history.length - 1]!;
      mixed = combine(...history.map((e, i) => [weights[i]!, e] as const));
    }
    const { epsilon } = interpret(mixed, base, from);
    // Liu et al. 2022, eq. 11: x on the ray through x0 that `epsilon` points out.
    x = combine([to.alpha / from.alpha, base], [to.sigma - (to.alpha * from.sigma) / from.alpha, epsilon]);
  }
  return x;
}
