import type { NoiseTable } from "./noise.ts";

/** What a schedule is asked for. */
export interface ScheduleRequest {
  /** How many noise levels, ≥ 1; the final zero is not among them. */
  readonly steps: number;
  /** The least and the greatest sigma, both > 0. */
  readonly sigmaMin: number;
  readonly sigmaMax: number;
  /** The levels that the network was trained at. */
  readonly table: NoiseTable;
}

/** A noise schedule: `steps` falling sigmas. */
export type Schedule = (request: ScheduleRequest) => number[];
