import { type FactsOptions, modelFacts } from "./facts.ts";
import { remarks } from "./remarks.ts";
import { resolveSettings } from "./resolve.ts";
import type { GenerateSettings, ResolvedSettings } from "./settings.ts";

/** What would be drawn, and what would be said about it. */
export interface Plan {
  readonly settings: ResolvedSettings;
  readonly notes: readonly string[];
}

/** A model that is only asked what it would do: no weight is read and no inference process started. */
export interface Planner {
  readonly model: string;
  /** @throws InputError for what cannot be drawn */
  plan(settings: GenerateSettings): Plan;
}

/**
 * Opens a model as `load` does, to settle settings and not to draw.
 *
 * @throws InputError when the model cannot be found or its files are damaged
 */
export async function openPlanner(model: string | undefined, options: FactsOptions = {}): Promise<Planner> {
  const facts = await modelFacts(model, options);
  return {
    model: facts.name,
    plan(asked) {
      const settings = resolveSettings(asked, facts);
      return { settings, notes: remarks(asked, settings, facts) };
    },
  };
}
