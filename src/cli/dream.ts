import { encodePicture, formatOfName, loadEncoder, type PictureFormat } from "../image/encode.ts";
import { writeInfotext } from "../image/infotext.ts";
import { checkSave, saveBytes } from "../image/save.ts";
import { contactSheet, pictureForSheet, type SheetCell } from "../image/sheet.ts";
import type { DrawingEvent } from "../pipelines/events.ts";
import type { PromptWriter } from "../pipelines/index.ts";
import { extraFields, writerFields } from "../pipelines/infotext-extra.ts";
import type { PromptEvent, WriteSettings } from "../pipelines/writing.ts";
import { InputError, randomSeed } from "../tensor/index.ts";
import { candidatesOf } from "./candidate-options.ts";
import { type Cli, type Drawer, Stopped } from "./cli.ts";
import { type Drawing, drawWith, loadDrawer } from "./draw.ts";
import { asUsage, UsageError } from "./errors.ts";
import { type GenerateOptions, pictureBytes, previewOf } from "./generate.ts";
import { type Keeping, keeper } from "./keep.ts";
import { machineOf } from "./machine.ts";
import { type Destination, destinationOf } from "./output.ts";
import type { Reporter } from "./progress.ts";
import { createReporter } from "./reporter.ts";
import { type Wish, wishOf } from "./settings.ts";
import { candidatesNote, each, fewerNote, writingSettings } from "./write.ts";
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
  const { format, overwrite, sheet: wanted = true } = options;
  if (options.output === "-")
    throw new UsageError("--output - has room for one picture, not for several: name a folder");
  const preview = await previewOf(options, cli);
  const { of, kept } = candidatesOf(options);
  const notes: string[] = [];
  const wish = await wishOf(words.length > 0 || options.from ? words : [""], options, cli, (line) => notes.push(line));
  const { prompt: beginning, seed = randomSeed() } = wish.settings;
  const count = options.prompts ?? wish.goal?.writer.count ?? PROMPTS;
  const writing: WriteSettings = {
    ...(await writingSettings({ ...options, count }, wish.goal)),
    beginning,
    seed,
    signal,
  };
  const { output = wish.defaults.output } = options;
  const beside = wanted === true ? "sheet" : undefined;
  const destination = await destinationOf({ output, format, overwrite, count: count * kept, beside }, cli);
  const sheet = await sheetOf(options, destination);
  const { width = 256, height = 256 } = wish.settings;
  await destination.check(pictureBytes(width, height));

  const reporter = remarksOnce(await createReporter({ ...options, count: count * of, preview }, cli));
  for (const note of notes) reporter.note(note);
  const cells: SheetCell[] = [];
  const saveSheet = async (): Promise<void> => {
    reporter.end();
    if (sheet && cells.length > 0) reporter.sheet(await sheet(cells, seed));
  };
  let drawer: Drawer | undefined;
  try {
    const judging = of > 1 ? { bestOf: of, clip: options.clip } : {};
    const settings = { ...wish.settings, ...judging, seed, preview: preview !== undefined, count: 1 };
    const opened = await openBoth(options, wish, reporter, cli);
    drawer = opened.drawer;
    const { model, prompts } = await writePrompts(opened.writer, writing, reporter, async () => {
      // Whatever cannot be drawn or saved is refused before anything is written.
      const size = await asUsage(() => opened.drawer.resolve(settings));
      await destination.check(pictureBytes(size.width, size.height));
    });
    const saverOf = (prompt: PromptEvent): Keeping["save"] => {
      const written = writerFields({ ...writing, beginning, model, seed: prompt.seed });
      return async ({ image, settings, picture }, place, judged) => {
        const { vae, config } = options;
        const extra = extraFields(settings, { vae, config, prediction: wish.prediction, picture, count: of, judged });
        const infotext = writeInfotext(settings, { ...written, ...extra });
        const bytes = await encodePicture(image, destination.format, infotext, { onNote: reporter.note });
        signal.throwIfAborted();
        const path = await destination.save(bytes, prompt.index * kept + place, settings.seed);
        reporter.saved(prompt.index * of + picture, path);
        if (sheet) cells.push({ picture: await pictureForSheet(image, count * kept), caption: prompt.text });
        return path;
      };
    };
    await drawEach(prompts, { options, wish: { ...wish, settings }, reporter, drawer }, cli, (prompt) =>
      keeper({ of, kept, save: saverOf(prompt), onNote: reporter.note }),
    );
    await saveSheet();
  } catch (error) {
    // What was drawn until Ctrl-C is worth its sheet, which takes no time.
    if (signal.reason instanceof Stopped && signal.reason.exitCode === 130) await saveSheet();
    throw error;
  } finally {
    reporter.end();
    await drawer?.close();
  }
}

/** What holds for every picture is remarked with the first. */
function remarksOnce(reporter: Reporter): Reporter {
  const told = new Set<string>();
  const note = (line: string): void => {
    if (!told.has(line)) reporter.note(line);
    told.add(line);
  };
  return { ...reporter, note };
}

/** The model that draws and the one that writes, started side by side; what one of them refuses closes the other. */
async function openBoth(options: DreamOptions, wish: Wish, reporter: Reporter, cli: Cli) {
  const [drawer, writer] = await Promise.allSettled([
    loadDrawer({ options, wish, reporter }, cli),
    openWriter(options, wish.defaults, reporter, cli),
  ]);
  if (drawer.status === "fulfilled" && writer.status === "fulfilled") {
    return { drawer: drawer.value, writer: writer.value };
  }
  for (const opened of [drawer, writer]) if (opened.status === "fulfilled") await opened.value.close();
  throw drawer.status === "rejected" ? drawer.reason : (writer as PromiseRejectedResult).reason;
}

/** Draws one prompt after the other, and tells it as one run. */
async function drawEach(
  prompts: readonly PromptEvent[],
  { options, wish, reporter, drawer }: Pick<Drawing, "options" | "wish" | "reporter"> & { readonly drawer: Drawer },
  cli: Cli,
  keeperOf: (prompt: PromptEvent) => ReturnType<typeof keeper>,
): Promise<void> {
  const { bestOf = 1 } = wish.settings;
  const ofAll = pacer(prompts.length, bestOf);
  for (const prompt of prompts) {
    const { index, text } = prompt;
    const settings = { ...wish.settings, prompt: text, seed: wish.settings.seed! + index * bestOf };
    await drawWith(
      drawer,
      {
        options,
        // What the goal comes to is told once.
        wish: { ...wish, settings, goal: index === 0 ? wish.goal : undefined },
        reporter: { ...reporter, event: (event) => reporter.event(ofAll(event, index)) },
        // While the first step is computed elsewhere; a failure shows when a picture is encoded.
        onEvent: (event) => void (event.type === "start" && loadEncoder().catch(() => {})),
        ...keeperOf(prompt),
      },
      cli,
    );
  }
}

async function openWriter(
  { writer, clip, ...options }: DreamOptions,
  defaults: Wish["defaults"],
  reporter: Reporter,
  cli: Cli,
): Promise<PromptWriter> {
  return cli.engine.openWriter({
    model: writer,
    clip,
    ...(await machineOf(options, defaults)),
    signal: cli.signal,
    onNote: (line) => reporter.note(line),
    env: cli.env,
  });
}

/** Writes them all and closes the writer, whose memory the pictures may need. */
async function writePrompts(
  writer: PromptWriter,
  settings: WriteSettings,
  reporter: Reporter,
  check: () => Promise<void>,
): Promise<{ readonly model: string; readonly prompts: readonly PromptEvent[] }> {
  const prompts: PromptEvent[] = [];
  try {
    await check();
    const events = await asUsage(() => writer.stream(settings));
    const done = await each(events, async (prompt) => {
      prompts.push(prompt);
      reporter.prompt(prompt, settings.count ?? 1);
    });
    settings.signal?.throwIfAborted();
    const unjudged = candidatesNote(settings);
    if (unjudged) reporter.note(unjudged);
    const note = fewerNote(done, settings);
    if (prompts.length === 0) throw new InputError(note ?? "No prompt was written.");
    if (note) reporter.note(note);
    return { model: writer.model, prompts };
  } finally {
    await writer.close();
  }
}

/**
 * Events of one prompt after the other, made those of one run: which picture it is, and the time left for all.
 *
 * @param count prompts
 * @param of pictures of each
 */
function pacer(count: number, of: number): <Event extends DrawingEvent>(event: Event, index: number) => Event {
  let start = performance.now();
  let [drawn, seconds] = [0, 0];
  return (event, index) => {
    if (!("picture" in event)) return event;
    if (event.type === "start") start = performance.now();
    if (event.type === "image") {
      drawn++;
      seconds += event.seconds;
    }
    const picture = index * of + event.picture;
    if ("candidateFor" in event) return { ...event, picture, candidateFor: index };
    if (!("secondsLeft" in event)) return { ...event, picture };
    const passed = (performance.now() - start) / 1000;
    const each = drawn > 0 ? (of * seconds) / drawn : passed + event.secondsLeft;
    return { ...event, picture, secondsLeft: event.secondsLeft + (count - 1 - index) * each };
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
