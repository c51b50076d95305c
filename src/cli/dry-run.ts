import type { Plan } from "../pipelines/plan.ts";
import { type Cli, write } from "./cli.ts";
import { asUsage, oneLine, remark } from "./errors.ts";
import { goalLine, spaced } from "./goal.ts";
import { jsonLine } from "./json.ts";
import { deviceOf } from "./machine.ts";
import type { DrawingOptions } from "./options.ts";
import type { Wish } from "./settings.ts";
import { table } from "./table.ts";

/** What a dry run tells, as JSON in one line. */
interface Told extends Plan {
  /** What the goal asks of the prompt writer. */
  readonly writer?: object;
  /** Where the prompt is from. */
  readonly words?: object;
}

/** Settles everything about a picture, prints it, and draws nothing. */
export async function dryRun(
  wish: Wish,
  options: DrawingOptions & { readonly json?: boolean },
  said: readonly string[],
  cli: Cli,
  words?: object,
): Promise<void> {
  const { goal, prediction, weights, model } = wish;
  await deviceOf(options.device ?? wish.defaults.device);
  const opening: string[] = [];
  const { vae, config } = options;
  const planner = await cli.engine.plan(model, {
    prediction,
    weights,
    vae,
    config,
    onNote: (line) => opening.push(line),
  });
  const { settings, notes } = await asUsage(() => planner.plan(wish.settings));
  const lines = [...said, ...opening, ...(goal ? [goalLine(goal, settings)] : []), ...notes];
  if (options.json) {
    const writer = goal && Object.keys(goal.writer).length > 0 ? { writer: goal.writer } : {};
    const told: Told = { settings, ...writer, ...(words && { words }), notes: lines };
    return write(cli.stdout, jsonLine(told));
  }
  if (!options.quiet) for (const line of lines) remark(cli, line);
  const { width, height, ...others } = settings;
  const rows = Object.entries({ ...others, size: `${width}×${height}` })
    .filter(([, value]) => value !== undefined && value !== "")
    .map(([key, value]) => [spaced(key), oneLine(shown(value))]);
  await write(cli.stdout, table(rows));
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return value.join(" to ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
