import { heatMap } from "../../../../src/explain/heat-map.ts";
import { meanOf, type Plane } from "../../../../src/explain/plane.ts";
import type { RunStep } from "./run.svelte.ts";

/** Where the layers of one size, or all, look for a word in these steps together (DAAM). Undefined where nothing is known of it. */
export function averaged(steps: readonly RunStep[], word: number, group: string | undefined): Plane | undefined {
  const planes = steps.flatMap(({ maps }) => {
    const looked = maps.filter(({ name, words }) => words[word] && (group === undefined || name === group));
    // As many times as there are layers: the mean of all of them.
    const each = looked.flatMap(({ width, height, layers, words }) =>
      Array.from({ length: layers }, () => ({ width, height, data: words[word]! })),
    );
    const [largest] = looked;
    return largest ? [heatMap(each, largest)] : [];
  });
  return planes.length > 0 ? meanOf(planes) : undefined;
}
