import { didYouMean } from "../hub/nearest.ts";
import { InputError } from "../tensor/index.ts";
import type { Config } from "./config.ts";
import { GOALS } from "./goals.ts";
import type { Goal } from "./settings.ts";

type OwnGoals = NonNullable<Config["goals"]>;

/** Where goals come from beside the package. */
export interface GoalSources {
  /** What an inkling.config file says, checked already. */
  readonly config?: Pick<Config, "goals">;
}

/** The names of all goals: the package's first, then those of the config file. */
export function goalNames({ config }: GoalSources = {}): string[] {
  return [...new Set([...GOALS.map(({ name }) => name), ...Object.keys(config?.goals ?? {})])];
}

/**
 * The goal of a name, everything that it extends taken together. One of the config file that bears the name of a
 * package's goal changes that one key by key.
 *
 * @throws InputError naming the nearest goal, or the goals that extend each other in a circle
 */
export function goalOf(name: string, sources: GoalSources = {}): Goal {
  return find(name, sources, []);
}

function find(name: string, sources: GoalSources, extending: readonly string[]): Goal {
  const goals: OwnGoals = sources.config?.goals ?? {};
  const published = GOALS.find((goal) => goal.name === name);
  const own = Object.hasOwn(goals, name) && extending.at(-1) !== name ? goals[name] : undefined;
  if (!own) {
    if (published) return published;
    throw unknown(name, sources, extending.at(-1));
  }
  if (extending.includes(name)) {
    throw new InputError(`The goals ${[...extending, name].join(" → ")} extend each other in a circle.`);
  }
  const base = own.extends ?? (published && name);
  const under = base === undefined ? undefined : find(base, sources, [...extending, name]);
  return {
    name,
    about: own.about ?? (under ? (under.name === name ? under.about : `${under.name}, changed`) : ""),
    settings: { ...under?.settings, ...own.settings },
    writer: { ...under?.writer, ...own.writer },
  };
}

function unknown(name: string, sources: GoalSources, extender: string | undefined): InputError {
  const names = goalNames(sources);
  const which = extender === undefined ? "" : `, which ${extender} extends`;
  return new InputError(`There is no goal "${name}"${which}${didYouMean(name, names)}: ${names.join(", ")}.`);
}
