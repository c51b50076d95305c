import type { BestEvent, DrawingEvent, GenerateEvent, ImageEvent, ScoreEvent } from "../pipelines/events.ts";
import type { Events } from "../pipelines/inkling.ts";
import type { GenerateSettings, ResolvedSettings } from "../pipelines/settings.ts";
import type { Cli, Drawer } from "./cli.ts";
import { asUsage } from "./errors.ts";
import { goalLine } from "./goal.ts";
import { convolutionsOf, machineOf } from "./machine.ts";
import type { DrawingOptions } from "./options.ts";
import { droppedNote, type Reporter } from "./progress.ts";
import type { Wish } from "./settings.ts";

export interface Drawing {
  readonly options: DrawingOptions;
  readonly wish: Wish;
  readonly reporter: Reporter;
  /** Called once the model is there and everything about the picture is settled, before it is drawn. */
  readonly onResolved?: (settings: ResolvedSettings, drawer: Drawer) => Promise<void>;
  readonly onEvent?: (event: DrawingEvent) => void;
  /** Looks into every step. Without it, and a reporter that does, latents may stay where the U-Net computes. */
  readonly onSeen?: (event: GenerateEvent) => void;
  readonly onImage: (event: ImageEvent, drawer: Drawer) => Promise<void>;
  /** Where candidates were asked for: after each was judged, and after the last for a picture. */
  readonly onJudged?: (event: ScoreEvent | BestEvent) => Promise<void>;
}

/**
 * Loads the model, draws, and tells the reporter; always closes what it opened.
 *
 * @throws UsageError for settings that make no sense, InputError for what lies in files, Stopped when interrupted
 */
export async function draw(drawing: Drawing, cli: Cli): Promise<void> {
  let drawer: Drawer | undefined;
  try {
    drawer = await loadDrawer(drawing, cli);
    await drawWith(drawer, drawing, cli);
  } finally {
    drawing.reporter.end();
    await drawer?.close();
  }
}

/** Loads the model of a wish. */
export async function loadDrawer(
  { options, wish, reporter }: Pick<Drawing, "options" | "wish" | "reporter">,
  { engine, signal }: Cli,
): Promise<Drawer> {
  signal.throwIfAborted();
  return engine.load(wish.model, {
    ...(await machineOf(options, wish.defaults)),
    convolutions: convolutionsOf(options, wish.defaults),
    precision: options.precision ?? wish.defaults?.precision,
    weights: wish.weights,
    prediction: wish.prediction,
    vae: options.vae,
    config: options.config,
    signal,
    onNote: (line) => reporter.note(line),
  });
}

/** Draws with a model that is loaded. Throws what `draw` throws. */
export async function drawWith(
  drawer: Drawer,
  { options, wish, reporter, onResolved, onEvent, onSeen, onImage, onJudged }: Drawing,
  { signal }: Cli,
): Promise<void> {
  signal.throwIfAborted();
  const settings: GenerateSettings = { ...wish.settings, signal };
  const suffix = options.from ? ` (Some of these settings were taken from ${options.from}.)` : "";
  const resolved = await asUsage(() => drawer.resolve(settings), suffix);
  if (wish.goal) reporter.note(goalLine(wish.goal, resolved));
  await onResolved?.(resolved, drawer);
  let warned = false;
  // A random seed is drawn once: what was resolved is what is drawn.
  const drawn = { ...settings, seed: resolved.seed };
  const isSeen = onSeen !== undefined || reporter.looksIntoSteps;
  for await (const event of isSeen ? seen(drawer.stream(drawn), onSeen) : drawer.progress(drawn)) {
    signal.throwIfAborted();
    onEvent?.(event);
    if (event.type === "tokens" && !warned) {
      const note = droppedNote(event.dropped);
      if (note) reporter.note(note);
      warned = note !== undefined;
    }
    await reporter.event(event);
    if (event.type === "score" || event.type === "best") await onJudged?.(event);
    if (event.type !== "image") continue;
    if (event.picture === 0 && otherWeights(wish.modelHash, event.settings.modelHash)) {
      reporter.note(
        `${options.from} was drawn with weights of the hash ${wish.modelHash}; these have ${event.settings.modelHash}, so it may differ.`,
      );
    }
    await onImage(event, drawer);
  }
  signal.throwIfAborted();
}

async function* seen(events: Events, onSeen: Drawing["onSeen"]): Events {
  for await (const event of events) {
    onSeen?.(event);
    yield event;
  }
}

/** Whether two hashes, as long as each was written, tell of different files. A1111's old ones, of 8 digits, tell nothing. */
function otherWeights(wanted: string | undefined, got: string | undefined): boolean {
  if (!got || !wanted || !/^[0-9a-f]{10,64}$/i.test(wanted)) return false;
  const length = Math.min(got.length, wanted.length);
  return wanted.slice(0, length).toLowerCase() !== got.slice(0, length).toLowerCase();
}
