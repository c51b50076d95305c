import type { Runtime } from "../runtime/index.ts";
import type { Clip, Embedding } from "./clip.ts";
import { type LanguageModelOptions, openLanguageModel } from "./language-model.ts";
import { startMachine } from "./machine.ts";
import type { MachineOptions, OpeningOptions } from "./opening.ts";
import { type WriteEvents, type Writer, type WriteSettings, type WrittenPrompt, writeTexts } from "./writing.ts";

/** GPT-2 writing prompts. */
export interface PromptWriter {
  /** For people: the short name, the repository, or the path. */
  readonly model: string;
  /** Tokens that it can hold in mind. */
  readonly positions: number;
  /**
   * Writes, telling every token. Throws an InputError at once for settings that make no sense; ends with an AbortError
   * when the signal fires.
   */
  stream(settings?: WriteSettings): WriteEvents;
  /** All of it at once; fewer than asked for where too many texts were refused. */
  write(settings?: WriteSettings): Promise<WrittenPrompt[]>;
  close(): Promise<void>;
}

export interface PromptWriterOptions extends MachineOptions, OpeningOptions, Pick<LanguageModelOptions, "weights"> {
  /** A name of kind "gpt2" (see `resolveModel`) or a folder in transformers' layout. Default: the embedded one. */
  readonly model?: string;
  /** The CLIP that compares candidates with the beginning (see `openClip`). Default: the embedded one. */
  readonly clip?: string;
  readonly signal?: AbortSignal;
}

/**
 * Opens a GPT-2 to write prompts with.
 *
 * @throws InputError when it cannot be found or its files are damaged
 */
export async function openPromptWriter(options: PromptWriterOptions = {}): Promise<PromptWriter> {
  const { model: asked, clip, onNote, env, signal, weights } = options;
  const { runtime } = await startMachine(options, env);
  try {
    const model = await openLanguageModel(asked, runtime, { onNote, env, signal, weights });
    const score = closeness(clip, { runtime, onNote, env });
    const writer: Writer = { ...model, positions: model.config.n_positions, score };
    const stream = (settings: WriteSettings = {}) => writeTexts(writer, settings);
    return {
      model: model.name,
      positions: writer.positions,
      stream,
      async write(settings) {
        const prompts: WrittenPrompt[] = [];
        for await (const event of stream(settings)) {
          if (event.type !== "prompt") continue;
          const { type: _, index: __, ...prompt } = event;
          prompts.push(prompt);
        }
        return prompts;
      },
      close: () => runtime.close(),
    };
  } catch (error) {
    await runtime.close();
    throw error;
  }
}

/** Opens a GPT-2, writes and closes it again: for those who write once. */
export async function* writePrompts(settings: WriteSettings & PromptWriterOptions = {}): WriteEvents {
  const writer = await openPromptWriter(settings);
  try {
    yield* writer.stream(settings);
  } finally {
    await writer.close();
  }
}

/** How close texts are to a beginning, by a CLIP that is opened when it is first asked. */
function closeness(
  name: string | undefined,
  options: { readonly runtime: Runtime } & Pick<PromptWriterOptions, "onNote" | "env">,
): Writer["score"] {
  let opening: Promise<Clip> | undefined;
  return async (beginning, texts, signal) => {
    const { clipScore, openClip } = await import("./clip.ts");
    opening ??= openClip(name, options);
    const [first, ...others] = await (await opening).embedTexts([beginning, ...texts], { signal });
    return others.map((other: Embedding) => clipScore(first!, other));
  };
}
