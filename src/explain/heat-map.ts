import type { AttentionMaps } from "../pipelines/inside.ts";
import type { Tensor } from "../tensor/index.ts";
import { enlarged, meanOf, type Plane, type PlaneSize } from "./plane.ts";

/** How much each place of a layer looks at a word: the mean over its tokens of a map [H, W, S]. */
export function wordPlane({ shape, data }: Tensor<"float32">, tokens: readonly number[]): Plane {
  const [height, width, seen] = shape as [number, number, number];
  const out = Float32Array.from({ length: height * width }, (_, place) =>
    tokens.reduce((sum, token) => sum + data[place * seen + token]! / tokens.length, 0),
  );
  return { width, height, data: out };
}

/**
 * A word's heat map (DAAM, Tang et al. 2022, § 2.2): its planes of all layers and calls, each enlarged to the latent's size and
 * cut off below 0, on average. The paper adds them up, which is the same but for a factor.
 *
 * @throws RangeError where there is no plane
 */
export function heatMap(planes: readonly Plane[], size: PlaneSize): Plane {
  if (planes.length === 0) throw new RangeError("A heat map is made of at least one plane.");
  const large = planes.map((plane) => {
    const { data } = enlarged(plane, size);
    return { ...size, data: data.map((x) => Math.max(0, x)) };
  });
  return meanOf(large);
}

/** The cross-attentions of one size of picture: "32×32" and the like. */
export interface LayerGroup extends PlaneSize {
  readonly name: string;
  readonly layers: readonly string[];
}

/** The layers of maps by their size, the largest first. */
export function layerGroups(maps: AttentionMaps): LayerGroup[] {
  const groups = new Map<string, LayerGroup & { layers: string[] }>();
  for (const [layer, { shape }] of Object.entries(maps)) {
    const [height, width] = shape as [number, number];
    const name = `${width}×${height}`;
    const group = groups.get(name) ?? { name, width, height, layers: [] };
    group.layers.push(layer);
    groups.set(name, group);
  }
  return [...groups.values()].sort((a, b) => b.width * b.height - a.width * a.height);
}

/** What the layers of a group see of a word in one call: the mean of their planes. */
export function groupPlane(maps: AttentionMaps, { layers }: LayerGroup, tokens: readonly number[]): Plane {
  return meanOf(layers.map((layer) => wordPlane(maps[layer]!, tokens)));
}
