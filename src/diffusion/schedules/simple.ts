import type { ScheduleRequest } from "../schedule.ts";

/** Every (T / steps)-th trained sigma, counted from the noisiest; nothing is interpolated. */
export function simple({ steps, table }: Pick<ScheduleRequest, "steps" | "table">): number[] {
  const { sigmas } = table;
  return Array.from({ length: steps }, (_, i) => sigmas[sigmas.length - 1 - Math.floor(i * (sigmas.length / steps))]!);
}
