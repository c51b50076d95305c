import { join } from "node:path";
import { contactSheet, encodePicture, makeFolder, type SheetCell, saveBytes } from "../../image/index.ts";
import type { MachineOptions } from "../../pipelines/opening.ts";
import type { GenerateSettings } from "../../pipelines/settings.ts";
import type { EventFile } from "../../training/index.ts";
import type { Cli } from "../cli.ts";

export interface SampleOptions {
  readonly prompts: readonly string[];
  /** Each prompt is drawn with this very seed, so that pictures of different steps can be compared. */
  readonly seed: number;
  readonly width: number;
  readonly height: number;
  readonly machine: MachineOptions;
  /** Gets the sheets too. */
  readonly log: Pick<EventFile, "picture">;
  /** What draws what was learnt in a run's folder. Default: the model in it. */
  readonly drawnBy?: (folder: string) => { readonly model: string; readonly settings?: Partial<GenerateSettings> };
}

/** Draws the prompts with what was learnt in a folder and lays them on one sheet, `samples/step-000100.png` beside it. */
export function sampler(
  { prompts, seed, width, height, machine, log, drawnBy = (model) => ({ model }) }: SampleOptions,
  { engine, signal }: Cli,
) {
  return async (step: number, folder: string): Promise<readonly string[]> => {
    // Weights that change all the time are not worth being prepared.
    const { model, settings } = drawnBy(folder);
    const drawer = await engine.load(model, { ...machine, prepared: false, signal });
    const cells: SheetCell[] = [];
    try {
      for (const prompt of prompts) {
        for await (const event of drawer.progress({ ...settings, prompt, seed, width, height, signal })) {
          if (event.type === "image") cells.push({ picture: event.image, caption: prompt });
        }
      }
    } finally {
      await drawer.close();
    }
    return [await saveSheet(cells, { step, folder, log })];
  };
}

interface SheetPlace {
  readonly step: number;
  readonly folder: string;
  /** Gets the sheet too. */
  readonly log: Pick<EventFile, "picture">;
  /** Pictures side by side. */
  readonly columns?: number;
}

/** Lays pictures on a sheet, `samples/step-000100.png` in a model's folder. Gives its path. */
export async function saveSheet(cells: readonly SheetCell[], place: SheetPlace): Promise<string> {
  const { step, folder, log, columns } = place;
  const sheet = await contactSheet(cells, { columns });
  const png = await encodePicture(sheet, "png");
  const path = await samplePath(folder, step, "png");
  await saveBytes(path, png, { overwrite: true });
  await log.picture(step, "samples", { width: sheet.width, height: sheet.height, png });
  return path;
}

/** Where the samples of a step lie: in a folder that is there then. */
export async function samplePath(folder: string, step: number, extension: string): Promise<string> {
  await makeFolder(join(folder, "samples"));
  return join(folder, "samples", `step-${String(step).padStart(6, "0")}.${extension}`);
}
