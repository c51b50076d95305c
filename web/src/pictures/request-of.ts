import type { DrawnSettings, DrawRequest } from "../../../src/server/schema/index.ts";

/** What has to be asked for to get one picture again: what its goal set stands there by itself. */
export function requestOf({ wildcardPrompt: _, ...settings }: DrawnSettings): Partial<DrawRequest> {
  return { ...(settings as Partial<DrawRequest>), goal: undefined, count: undefined, bestOf: undefined };
}
