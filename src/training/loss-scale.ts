/**
 * What a loss is multiplied with so that its gradients are not lost in 16 bits (Micikevicius et al. 2018, § 3.2), with the numbers of
 * torch's GradScaler.
 */
export interface LossScale {
  readonly factor: number;
  /** Steps that were taken since it changed. */
  readonly steps: number;
}

export const firstLossScale: LossScale = { factor: 65_536, steps: 0 };

/** Steps after which a larger one is tried. */
const PATIENCE = 2000;

/** The one of the next step: half of it where gradients ran over, twice after many that did not. */
export function nextLossScale({ factor, steps }: LossScale, ranOver: boolean): LossScale {
  if (ranOver) return { factor: factor / 2, steps: 0 };
  return steps + 1 === PATIENCE ? { factor: factor * 2, steps: 0 } : { factor, steps: steps + 1 };
}
