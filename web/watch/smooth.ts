/**
 * An exponential moving average, corrected for its beginning as TensorBoard does it (Kingma & Ba 2015, §3, of Adam's moments).
 * What is not finite is passed over.
 *
 * @param weight of what came before, 0 ≤ weight < 1
 */
export function smooth(values: readonly number[], weight: number): number[] {
  let [sum, share] = [0, 0];
  return values.map((value) => {
    if (!Number.isFinite(value)) return value;
    sum = weight * sum + (1 - weight) * value;
    share = weight * share + (1 - weight);
    return sum / share;
  });
}
