import type { ExplainedModel } from "../../../../src/server/schema/index.ts";
import { ask } from "./ask.ts";
import { type Floats, floatsOf } from "./numbers.ts";

/** What a model is, as far as views draw it: asked for once, when a view first needs it. */
export class Model {
  about = $state.raw<ExplainedModel>();
  alpha = $state.raw<Floats>();
  sigma = $state.raw<Floats>();

  async load(name: string | undefined, signal: AbortSignal): Promise<void> {
    const about = await ask.model(name, signal);
    [this.about, this.alpha, this.sigma] = [about, floatsOf(about.alpha), floatsOf(about.sigma)];
  }
}
