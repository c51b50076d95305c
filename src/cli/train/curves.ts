import type { LoggedScalars, TrainStepEvent } from "../../training/index.ts";

/** What is plotted of a step. */
export type Point = Pick<TrainStepEvent, "step" | "loss" | "norm" | "learningRate" | "imagesPerSecond" | "epoch">;

/** The names of curves in event files, by what they show. */
const curves = {
  loss: "train/loss",
  norm: "train/norm",
  learningRate: "train/learning_rate",
  imagesPerSecond: "train/images_per_second",
  epoch: "train/epoch",
} as const;

const keys = Object.keys(curves) as (keyof typeof curves)[];

/** A point as it stands in an event file. */
export function scalarsOf(point: Point): Record<string, number> {
  return Object.fromEntries(keys.map((key) => [curves[key], point[key]]));
}

/** The counterpart of {@link scalarsOf}; undefined where a curve is missing. */
export function pointOf({ step, values }: LoggedScalars): Point | undefined {
  if (keys.some((key) => values[curves[key]] === undefined)) return undefined;
  return { step, ...(Object.fromEntries(keys.map((key) => [key, values[curves[key]]])) as Omit<Point, "step">) };
}

/** Of points in a row: where the last of them is, with what they were in the mean. */
export function meanOf(points: readonly Point[]): Point {
  const mean = (key: keyof typeof curves) => points.reduce((sum, point) => sum + point[key], 0) / points.length;
  const last = points.at(-1)!;
  return { ...last, ...(Object.fromEntries(keys.map((key) => [key, mean(key)])) as Omit<Point, "step">) };
}
