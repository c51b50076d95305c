import { InputError, roundHalfEven } from "../tensor/index.ts";
import { linspace } from "./vector.ts";

/**
 * How n timesteps are chosen among T trained ones (Lin et al. 2023, table 2). `leading` starts below the noisiest
 * timestep, `trailing` on it, `linspace` holds both ends.
 */
export type Spacing = "leading" | "linspace" | "trailing";

export const spacings: readonly Spacing[] = ["leading", "linspace", "trailing"];

export interface SpacingOptions {
  spacing: Spacing;
  steps: number;
  /** T, or fewer when the noisiest timesteps are cut off. */
  trainSteps: number;
  /** Added to `leading` timesteps; 1 in Stable Diffusion. */
  offset: number;
  /** 1 when the schedule counts its end point as one of the spaced timesteps and then drops it (DPM-Solver). */
  endPoint: 0 | 1;
  /** The stride of `trailing` counts from here. */
  total?: number;
}

/**
 * Falling timesteps; those of `linspace` are fractional, for the caller to round or not. Throws an InputError when there are
 * more steps than timesteps.
 */
export function spacedTimesteps(options: SpacingOptions): number[] {
  const { spacing, steps, trainSteps, offset, endPoint, total = trainSteps } = options;
  // With an end point to place as well, `leading` would have no stride left and `linspace` would round two timesteps to
  // one; diffusers takes such walks, and gets NaN.
  const most = spacing === "trailing" ? trainSteps : trainSteps - endPoint;
  if (steps > most) {
    throw new InputError(`${steps} steps do not fit into ${trainSteps} timesteps: ask for at most ${most}.`);
  }
  switch (spacing) {
    case "linspace":
      return linspace(0, trainSteps - 1, steps + endPoint)
        .reverse()
        .slice(0, steps);
    case "leading": {
      const stride = Math.floor(trainSteps / (steps + endPoint));
      return Array.from({ length: steps }, (_, i) => (steps - 1 + endPoint - i) * stride + offset);
    }
    case "trailing": {
      const stride = total / steps;
      const count = Math.ceil(trainSteps / stride);
      // NumPy's arange steps by (start + stride) − start; halves round by its last digit.
      const delta = trainSteps - (trainSteps - stride);
      return Array.from({ length: count }, (_, i) => roundHalfEven(trainSteps - i * delta) - 1);
    }
  }
}
