import { saveBytes } from "../image/save.ts";
import type { GenerateEvent, StepEvent, ToldText } from "../pipelines/events.ts";
import { version } from "../pipelines/version.ts";
import { float32, type Tensor } from "../tensor/index.ts";
import { encodeSafetensors } from "../weights/index.ts";
import type { Cli } from "./cli.ts";
import { draw } from "./draw.ts";
import type { DrawingOptions } from "./options.ts";
import { checkFile } from "./output.ts";
import { printPath } from "./progress.ts";
import { createReporter } from "./reporter.ts";
import { wishOf } from "./settings.ts";

/** Where the network was asked. */
type Call = Pick<StepEvent, "timestep" | "sigma">;

/** Draws one picture and writes what the events carried. */
export async function trace(words: readonly string[], options: DrawingOptions, cli: Cli): Promise<void> {
  const { output = "inkling-trace.safetensors", overwrite } = options;
  await checkFile(output, overwrite);
  const notes: string[] = [];
  const wish = await wishOf(words, options, cli, (line) => notes.push(line));
  const reporter = await createReporter({ quiet: options.quiet, count: 1 }, cli);
  for (const note of notes) reporter.note(note);
  const tensors: Record<string, Tensor> = {};
  const calls: Call[] = [];
  const metadata: Record<string, string> = { made_by: `inkling ${version()}` };
  await draw(
    {
      options,
      wish: { ...wish, settings: { ...wish.settings, count: 1, preview: false } },
      reporter,
      onSeen: (event) => {
        Object.assign(tensors, tensorsOf(event));
        if (event.type === "step") calls.push({ timestep: event.timestep, sigma: event.sigma });
      },
      onImage: async ({ settings }) => {
        metadata["settings"] = JSON.stringify(settings);
      },
    },
    cli,
  );
  await saveBytes(output, encodeSafetensors({ ...tensors, ...walked(calls, tensors) }, metadata), { overwrite });
  printPath(output, cli);
}

/**
 * Where the network was really asked. A sampler that decides its steps on its way was announced with a guess, and its
 * sigmas are those of its calls.
 */
function walked(calls: readonly Call[], announced: Readonly<Record<string, Tensor>>): Record<string, Tensor> {
  const timesteps = list(calls.map(({ timestep }) => timestep));
  const guessed = announced["timesteps"]?.data.join() !== timesteps.data.join();
  return { timesteps, ...(guessed && { sigmas: list(calls.map(({ sigma }) => sigma)) }) };
}

const list = (values: readonly number[]): Tensor => float32([values.length], values);

/** Every text of a prompt that is more than one, or has weights: `tokens.cond.<part>.<last step>`. */
function told<T extends ToldText>(
  texts: readonly T[],
  tensors: (text: T) => readonly (readonly [name: string, tensor: Tensor])[],
): Record<string, Tensor> {
  const entries = texts.flatMap((text) => {
    const alone = texts.filter(({ of }) => of === text.of).length === 1;
    return tensors(text)
      .filter(([name]) => !alone || name === "weights")
      .map(([name, tensor]) => [`${name}.${text.of}${alone ? "" : `.${text.part}.${text.until}`}`, tensor] as const);
  });
  return Object.fromEntries(
    entries.filter(([name, { data }]) => !name.startsWith("weights") || data.some((w) => w !== 1)),
  );
}

/** The tensors of an event under the names that they have in a trace. */
export function tensorsOf(event: GenerateEvent): Record<string, Tensor> {
  const pair = (name: string, { cond, uncond }: { cond: Tensor; uncond?: Tensor }): Record<string, Tensor> => ({
    [`${name}.cond`]: cond,
    ...(uncond && { [`${name}.uncond`]: uncond }),
  });
  switch (event.type) {
    case "start":
      return { noise: event.noise, timesteps: list(event.timesteps), sigmas: list(event.sigmas) };
    case "tokens":
      return {
        ...pair("tokens", event),
        ...told(event.texts, (text) => [
          ["tokens", text.ids],
          ["weights", text.weights],
        ]),
      };
    case "embeddings":
      return { ...pair("embeddings", event), ...told(event.texts, (text) => [["embeddings", text.embedding]]) };
    case "step":
      return { [`prediction.${event.call}`]: event.prediction, [`latents.${event.call}`]: event.latents };
    case "image":
      return { image: event.pixels };
    default:
      return {};
  }
}
