import type { Dataset } from "./dataset.ts";
import { type DrawingsOptions, openDrawings } from "./drawings/drawings.ts";
import { type FilesOptions, openFolder } from "./folder.ts";
import { shapes } from "./shapes.ts";
import { openWebDataset } from "./web-dataset.ts";

/** `count` is how many examples at most; of what is generated, as many. Size, seed, split and kinds are of what is generated. */
export interface DatasetOptions extends FilesOptions, Partial<DrawingsOptions> {
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

/** Whether a name is that of a tar. */
export const isArchive = (name: string): boolean => /\.(tar|tgz|tar\.\w+)$/i.test(name);

/**
 * The dataset of a name: "drawings", "shapes", a tar or a pattern of tars, a folder (`./shapes` is one).
 *
 * @throws InputError when there is nothing of that name, or nothing usable in it
 */
export async function openDataset(source: string, options: DatasetOptions = {}): Promise<Dataset> {
  const { count = MANY } = options;
  if (generatorNames.includes(source)) return generators[source]!({ ...options, count });
  const dataset = isArchive(source) ? await openWebDataset(source, options) : await openFolder(source, options);
  return { ...dataset, length: Math.min(dataset.length, options.count ?? dataset.length) };
}
