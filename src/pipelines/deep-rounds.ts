import { guidedSteps } from "../diffusion/index.ts";
import type { ResolvedSettings } from "./settings.ts";

/** For each picture anew: the round that a call belongs to, of the step that it is made in. */
export type DeepRounds = () => (step: number) => number | undefined;

/**
 * Calls of one round share deep features (DeepCache, Ma et al. 2023, § 3.3): its first runs the whole U-Net. No two rounds of
 * a run have the same number; there are none where nothing is reused.
 *
 * @param steps that are taken
 */
export function deepRounds(
  {
    deepCache,
    deepCacheFrom = 0,
    deepCacheLate,
    guidanceInterval,
  }: Pick<ResolvedSettings, "deepCache" | "deepCacheFrom" | "deepCacheLate" | "guidanceInterval">,
  steps: number,
): DeepRounds {
  const { first } = guidedSteps(steps, [deepCacheFrom, 1]);
  const { end } = guidedSteps(steps, guidanceInterval);
  let round = 0;
  return () => {
    let calls = 0;
    let lateCalls = 0;
    return (step) => {
      if (deepCache === undefined) return undefined;
      if (step < first) return ++round;
      const isLate = deepCacheLate !== undefined && step >= end;
      const place = isLate ? lateCalls++ % deepCacheLate : calls++ % deepCache;
      return place === 0 ? ++round : round;
    };
  };
}
