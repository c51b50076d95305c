import { encodePicture, formatOfName, loadEncoder, type PictureFormat } from "../image/encode.ts";
import { writeInfotext } from "../image/infotext.ts";
import { checkSave, saveBytes } from "../image/save.ts";
import { contactSheet, pictureForSheet, type SheetCell } from "../image/sheet.ts";
import type { GenerateEvent } from "../pipelines/events.ts";
import type { PromptWriter } from "../pipelines/index.ts";
import { extraFields, writerFields } from "../pipelines/infotext-extra.ts";
import type { PromptEvent, WriteSettings } from "../pipelines/writing.ts";
import { InputError } from "../tensor/index.ts";
import { type Cli, type Drawer, Stopped } from "./cli.ts";
import { drawWith, loadDrawer } from "./draw.ts";
import { asUsage, UsageError } from "./errors.ts";
import { type GenerateOptions, pictureBytes, previewOf } from "./generate.ts";
import { type Destination, destinationOf } from "./output.ts";
import type { Reporter } from "./progress.ts";
import { createReporter } from "./reporter.ts";
import { deviceOf, wishOf } from "./settings.ts";
import { each, fewerNote, randomSeed, writingSettings } from "./write.ts";
import type { WritingOptions } from "./writing-options.ts";

export interface DreamOptions extends WritingOptions, Omit<GenerateOptions, "count"> {
  /** How many. */
  readonly prompts?: number;
  readonly writer?: string;
  /** The sheet's file, or false for none. */
  readonly sheet?: string | boolean;
}

const PROMPTS = 4;

/** Writes prompts, draws each and saves it, and then all of them on one contact sheet. */
export async function dream(words: readonly string[], options: DreamOptions, cli: Cli): Promise<void> {
  const { signal } = cli;
  const { format, overwrite } = options;
  if (options.output === "-")
    throw new UsageError("--output - has room for one picture, not for several: name a folder");
  const preview = await previewOf(options, cli);
  const notes: string[] = [];
  const wish = await wishOf(words.length > 0 || options.from ? words : [""], options, cli, (line) => notes.push(line));
  const { prompt: beginning, seed = randomSeed() } = wish.settings;
  const asked = await writingSettings(
    { ...options, count: options.prompts ?? wish.goal?.writer.count ?? PROMPTS },
    wish.goal,
  );
  const writing: WriteSettings = { ...asked, beginning, seed, signal };
  const count = writing.count!;
  const { output = wish.defaults.output } = options;
  const destination = await destinationOf({ output, format, overwrite, count, beside: "sheet" }, cli);
  const sheet = await sheetOf(options, destination);
  const { width = 256, height = 256 } = wish.settings;
  await destination.check(pictureBytes(width, height));

  const reporter = await createReporter({ ...options, count, preview }, cli);
  const cells: SheetCell[] = [];
  const saveSheet = async (): Promise<void> => {
    if (sheet && cells.length > 0) reporter.sheet(await sheet(cells, seed));
  };
  let [drawer, writer]: [Drawer | undefined, PromptWriter | undefined] = [undefined, undefined];
  try {
    for (const note of notes) reporter.note(note);
    // The two inference processes start side by side, and what one of them refuses ends the other.
    const opened = await Promise.allSettled([
      loadDrawer({ options, wish, reporter }, cli),
      openWriter(options, wish.defaults, reporter, cli),
    ]);
    if (opened[0].status === "fulfilled") drawer = opened[0].value;
    if (opened[1].status === "fulfilled") writer = opened[1].value;
    for (const opening of opened) if (opening.status === "rejected") throw opening.reason;
    signal.throwIfAborted();
    const settings = { ...wish.settings, preview: preview !== undefined, count: 1 };
    // Whatever cannot be drawn or saved is refused before anything is written.
    const size = await asUsage(() => drawer!.resolve(settings));
    await destination.check(pictureBytes(size.width, size.height));
    const prompts = await writePrompts(writer!, writing, reporter);
    const { model } = writer!;
    await writer!.close();
    writer = undefined;

    const forWhole = pacer(prompts.length);
    for (const { index, text, seed: writerSeed } of prompts) {
      const written = writerFields({ ...writing, beginning, model, seed: writerSeed });
      await drawWith(
        drawer!,
        {
          options,
          wish: {
            ...wish,
            settings: { ...settings, prompt: text, seed: seed + index },
            goal: index === 0 ? wish.goal : undefined,
          },
          reporter: { ...reporter, event: (event) => reporter.event(forWhole(event, index)) },
          onEvent: (event) => void (event.type === "start" && loadEncoder().catch(() => {})),
          onImage: async ({ image, settings }) => {
            const { vae, config } = options;
            const extra = extraFields(settings, { vae, config, prediction: wish.prediction });
            const infotext = writeInfotext(settings, { ...written, ...extra });
            const bytes = await encodePicture(image, destination.format, infotext, { onNote: reporter.note });
            signal.throwIfAborted();
            reporter.saved(index, await destination.save(bytes, index, settings.seed));
            if (sheet) cells.push({ picture: await pictureForSheet(image, count), caption: text });
          },
        },
        cli,
      );
    }
    await saveSheet();
  } catch (error) {
    // What was drawn until Ctrl-C is worth its sheet, which takes no time.
    if (signal.reason instanceof Stopped && signal.reason.exitCode === 130) await saveSheet();
    throw error;
  } finally {
    reporter.end();
    await Promise.all([drawer?.close(), writer?.close()]);
  }
}

async function openWriter(
  { writer, clip, ...options }: DreamOptions,
  defaults: { readonly device?: string; readonly threads?: number },
  reporter: Reporter,
  cli: Cli,
): Promise<PromptWriter> {
  return cli.engine.openWriter({
    model: writer,
    clip,
    device: await deviceOf(options.device ?? defaults.device),
    threads: options.threads ?? defaults.threads,
    signal: cli.signal,
    onNote: (line) => reporter.note(line),
    env: cli.env,
  });
}

async function writePrompts(
  writer: PromptWriter,
  settings: WriteSettings,
  reporter: Reporter,
): Promise<readonly PromptEvent[]> {
  const prompts: PromptEvent[] = [];
  const events = await asUsage(() => writer.stream(settings));
  const done = await each(events, async (prompt) => {
    prompts.push(prompt);
    reporter.prompt(prompt, settings.count ?? 1);
  });
  settings.signal?.throwIfAborted();
  const note = fewerNote(done, settings);
  if (prompts.length === 0) throw new InputError(note ?? "No prompt was written.");
  if (note) reporter.note(note);
  return prompts;
}

/** Events of one picture after the other, made those of one run: which picture it is, and the time left for all. */
function pacer(count: number): (event: GenerateEvent, index: number) => GenerateEvent {
  let start = performance.now();
  let [drawn, seconds] = [0, 0];
  return (event, index) => {
    if (!("picture" in event)) return event;
    if (event.type === "start") start = performance.now();
    if (event.type === "image") {
      drawn++;
      seconds += event.seconds;
    }
    if (!("secondsLeft" in event)) return { ...event, picture: index };
    const passed = (performance.now() - start) / 1000;
    const each = drawn > 0 ? seconds / drawn : passed + event.secondsLeft;
    return { ...event, picture: index, secondsLeft: event.secondsLeft + (count - 1 - index) * each };
  };
}

/**
 * How the sheet is made and saved, if at all.
 *
 * @throws UsageError or InputError where it could not be saved in the end
 */
async function sheetOf(
  { sheet = true, overwrite }: DreamOptions,
  destination: Destination,
): Promise<((cells: readonly SheetCell[], seed: number) => Promise<string>) | undefined> {
  if (sheet === false) return undefined;
  if (sheet === true) {
    return async (cells, seed) => destination.saveBeside(await encoded(cells, destination.format), seed);
  }
  const format = formatOfName(sheet);
  if (!format) throw new UsageError(`--sheet ${sheet} ends in no picture format: end it in .png, .jpg or .webp`);
  await checkSave(sheet, 0, { overwrite });
  return async (cells) => {
    await saveBytes(sheet, await encoded(cells, format), { overwrite });
    return sheet;
  };
}

async function encoded(cells: readonly SheetCell[], format: PictureFormat): Promise<Uint8Array> {
  return encodePicture(await contactSheet(cells), format);
}
