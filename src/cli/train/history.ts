import { meanOf, type Point } from "./curves.ts";

export interface History {
  add(point: Point): void;
  /** Forgets what came after a step: the run went back there. */
  backTo(step: number): void;
  /** In the order of steps. */
  points(): readonly Point[];
}

/** Some times as many as a plot has pixels. */
const ROOM = 4096;

/**
 * Curves of a run of any length in a room of one size: where there are too many points, pairs of neighbours give way to their
 * means, and from then on as many steps make a point.
 */
export function createHistory(begin: readonly Point[], room = ROOM): History {
  let points: Point[] = [];
  let waiting: Point[] = [];
  let stepsAPoint = 1;
  const history: History = {
    add(point) {
      waiting.push(point);
      if (waiting.length < stepsAPoint) return;
      points.push(meanOf(waiting));
      waiting = [];
      if (points.length < room) return;
      points = points.flatMap((_, i) => (i % 2 === 0 ? [meanOf(points.slice(i, i + 2))] : []));
      stepsAPoint *= 2;
    },
    backTo(step) {
      points = points.filter((point) => point.step <= step);
      waiting = waiting.filter((point) => point.step <= step);
    },
    points: () => (waiting.length === 0 ? points : [...points, meanOf(waiting)]),
  };
  for (const point of begin) history.add(point);
  return history;
}
