import { createHash } from "node:crypto";
import { join } from "node:path";
import { encodePicture, makeFolder, saveBytes } from "../../image/index.ts";
import { ownCacheFolder } from "../../pipelines/cache-folder.ts";
import { weightsHash } from "../../pipelines/model-hash.ts";
import type { MachineOptions } from "../../pipelines/opening.ts";
import { InputError } from "../../tensor/index.ts";
import { type Dataset, type DiffusionModel, openDataset } from "../../training/index.ts";
import type { Cli } from "../cli.ts";
import { createCounter } from "../counter.ts";
import type { Size } from "./data.ts";
import { isThere } from "./model.ts";

export interface PriorWanted extends Size {
  readonly from: string;
  readonly model: DiffusionModel;
  /** What the model is to draw: "a cat". */
  readonly prompt: string;
  readonly count: number;
  readonly machine: MachineOptions;
}

/**
 * What a model draws by a prompt, before it is tuned: picture number i with seed i. Each is kept in the cache folder, so that another run
 * has it at once.
 *
 * @throws what drawing throws
 */
export async function priorPictures(
  { from, model, prompt, count, machine, ...size }: PriorWanted,
  cli: Cli,
): Promise<Dataset> {
  const { signal, engine } = cli;
  const cache = ownCacheFolder(cli.env);
  if (!cache)
    throw new InputError("There is no cache folder for what is drawn first: neither XDG_CACHE_HOME nor HOME is set.");
  const hashes: string[] = [];
  for (const part of [model.unet, model.textEncoder, model.vae]) {
    if (part?.weights) hashes.push(await weightsHash(part.weights, cli.env));
  }
  const identity = JSON.stringify([hashes, prompt, size]);
  const folder = join(cache, "prior", createHash("sha256").update(identity).digest("hex").slice(0, 16));
  const paths = Array.from({ length: count }, (_, seed) => join(folder, `${String(seed).padStart(6, "0")}.png`));
  const missing: number[] = [];
  for (const [seed, path] of paths.entries()) if (!(await isThere(path))) missing.push(seed);
  if (missing.length > 0) {
    await makeFolder(folder);
    const counter = createCounter(cli, "picture");
    counter.note(`drawing ${missing.length} pictures of "${prompt}" first, which stay in ${folder}`);
    const start = performance.now();
    const drawer = await engine.load(from, { ...machine, prepared: false, signal });
    try {
      for (const [i, seed] of missing.entries()) {
        for await (const event of drawer.progress({ prompt, seed, ...size, signal })) {
          if (event.type === "image")
            await saveBytes(paths[seed]!, await encodePicture(event.image, "png"), { overwrite: true });
        }
        signal.throwIfAborted();
        const seconds = (performance.now() - start) / 1000 / (i + 1);
        counter.update(i + 1, missing.length, seconds * (missing.length - i - 1));
      }
    } finally {
      counter.end();
      await drawer.close();
    }
  }
  return openDataset(folder, { caption: prompt, count, signal });
}
