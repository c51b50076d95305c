import type { Picture } from "../image/index.ts";
import { enlarged, type Plane } from "./plane.ts";

/** From cold to hot, evenly spaced: magma of matplotlib (CC0), whose lightness rises evenly. */
const MAGMA = [
  [0, 0, 4],
  [59, 15, 112],
  [140, 41, 129],
  [222, 73, 104],
  [254, 159, 109],
  [252, 253, 191],
] as const;

/** How much of the picture is left where it is seen through the heat. */
const THROUGH = 0.4;

/** A picture seen through a heat map of its own: the least of the map is dark, the most of it light. */
export function overlaid({ width, height, data }: Picture, plane: Plane): Picture {
  const heat = enlarged(plane, { width, height }).data;
  const [least, most] = plane.data.reduce(([low, high], x) => [Math.min(low, x), Math.max(high, x)], [
    Number.POSITIVE_INFINITY,
    Number.NEGATIVE_INFINITY,
  ] as readonly [number, number]);
  const out = new Uint8Array(data.length);
  for (let place = 0; place < heat.length; place++) {
    const share = most > least ? Math.min(1, Math.max(0, (heat[place]! - least) / (most - least))) : 0;
    const color = magma(share);
    for (let c = 0; c < 3; c++) {
      out[3 * place + c] = Math.round(THROUGH * data[3 * place + c]! + (1 - THROUGH) * color[c]!);
    }
  }
  return { width, height, data: out };
}

function magma(share: number): readonly number[] {
  const at = share * (MAGMA.length - 1);
  const low = Math.min(Math.floor(at), MAGMA.length - 2);
  return MAGMA[low]!.map((x, c) => x + (at - low) * (MAGMA[low + 1]![c]! - x));
}
