import { defined } from "../tensor/index.ts";
import type { ModelDefaults } from "./defaults.ts";
import { goalOf } from "./goal.ts";
import type { GenerateSettings, Goal, GoalSettings } from "./settings.ts";

/** What a goal has to know of a model. */
export interface Fit {
  readonly name: string;
  readonly defaults: ModelDefaults;
  /** Pixels per place of the latent. */
  readonly scale: number;
}

/** Settings with their goal worked in. */
export interface Fitted {
  readonly settings: GenerateSettings;
  readonly goal: Goal | undefined;
  /** What of the goal would make no sense with this model, and what is taken instead. */
  readonly note: string | undefined;
}

/** What belongs to the walk of a model that was distilled to few steps, and ruins its pictures when changed. */
const WALK = [
  "steps",
  "guidance",
  "guidanceRescale",
  "guidanceInterval",
  "ngms",
  "deepCache",
  "deepCacheBranch",
  "deepCacheFrom",
  "deepCacheLate",
  "tokenMerging",
  "sampler",
  "schedule",
  "eta",
] as const;

/**
 * Puts a goal's settings under what was asked for. What would ruin this model's pictures is left to the model: a size
 * beyond what it was trained for, and the steps of one that was distilled to few. What was asked for stays as it is.
 *
 * @throws InputError naming the nearest goal where there is none of that name
 */
export function fitGoal(asked: GenerateSettings, model: Fit): Fitted {
  if (asked.goal === undefined) return { settings: asked, goal: undefined, note: undefined };
  const goal = typeof asked.goal === "string" ? goalOf(asked.goal) : asked.goal;
  const explicit = defined(asked);
  const open = leftOpen(goal.settings, asked);
  const fitted: GoalSettings = { ...open };
  const changes = [fitSize(fitted, model), fitWalk(fitted, model)].filter((change) => change !== undefined);
  const note =
    changes.length > 0 ? `The goal ${goal.name} is fitted to ${model.name}: ${changes.join("; ")}.` : undefined;
  return { settings: { ...fitted, ...explicit, prompt: asked.prompt }, goal, note };
}

/** What of a goal the settings leave open. A sampler brings its own schedule, a picture to start from its size. */
function leftOpen(settings: Readonly<GoalSettings>, asked: GenerateSettings): GoalSettings {
  const taken = new Set<string>(Object.keys(defined(asked)));
  if (taken.has("sampler")) for (const key of ["schedule", "eta"]) taken.add(key);
  if (taken.has("init") || taken.has("image")) for (const key of ["width", "height"]) taken.add(key);
  return Object.fromEntries(Object.entries(settings).filter(([key]) => !taken.has(key)));
}

/** Larger pictures than a model was trained for show things twice. */
function fitSize(fitted: GoalSettings, { defaults, scale }: Fit): string | undefined {
  const { sizes } = defaults;
  const longest = sizes.length > 0 ? Math.max(...sizes) : Math.max(defaults.width, defaults.height);
  const { width, height } = fitted;
  const factor = longest / Math.max(width ?? 0, height ?? 0);
  if (factor >= 1) return undefined;
  const cap = (side: number) => Math.max(scale, Math.floor((side * factor) / scale) * scale);
  if (width !== undefined) fitted.width = cap(width);
  if (height !== undefined) fitted.height = cap(height);
  const size = ({ width, height }: GoalSettings) =>
    width && height ? `${width}×${height}` : width ? `${width} pixels wide` : `${height} pixels high`;
  return `${size(fitted)} instead of ${size({ width, height })}, since pictures larger than it was trained for show things twice`;
}

function fitWalk(fitted: GoalSettings, { defaults }: Fit): string | undefined {
  if (!defaults.fewSteps) return undefined;
  const left = WALK.filter((key) => fitted[key] !== undefined);
  if (left.length === 0) return undefined;
  for (const key of left) delete fitted[key];
  return `its own steps and guidance (${defaults.steps} and ${defaults.guidance}), since it was distilled to few steps and others ruin its pictures`;
}
