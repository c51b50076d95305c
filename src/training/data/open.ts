import type { Dataset } from "./dataset.ts";
import { type DrawingKind, openDrawings } from "./drawings/drawings.ts";
import { type FilesOptions, openFolder } from "./folder.ts";
import { shapes } from "./shapes.ts";
import { openWebDataset } from "./web-dataset.ts";

export interface DatasetOptions extends FilesOptions {
  /** Examples at most; of what is generated, as many. Default all, or 100,000. */
  readonly count?: number;
  /** Of what is generated: pixels of a side, the seed, the split, the kinds of drawings. */
  readonly size?: number;
  readonly seed?: number;
  readonly split?: "train" | "heldout";
  readonly kinds?: readonly DrawingKind[];
  readonly signal?: AbortSignal;
}

/** What is generated where nothing says how many. */
const MANY = 100_000;

/** Datasets that are generated, by their names. */
const generators: Readonly<Record<string, (options: DatasetOptions & { readonly count: number }) => Promise<Dataset>>> =
  {
    drawings: openDrawings,
    shapes: async (options) => shapes(options),
  };

export const generatorNames = Object.keys(generators);

/**
 * The dataset of a name: "drawings", "shapes", a tar or a pattern of tars, a folder (`./shapes` is one).
 *
 * @throws InputError when there is nothing of that name, or nothing usable in it
 */
export async function openDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { count = MANY } = options;
  const generate = generators[source];
  if (generate) return generate({ ...options, count });
  const dataset = /\.(tar|tgz|tar\.\w+)$/i.test(source)
    ? await openWebDataset(source, options)
    : await openFolder(source, options);
  return { ...dataset, length: Math.min(dataset.length, options.count ?? dataset.length) };
}
