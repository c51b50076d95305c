import type { ModelInfo, Options } from "../../../src/server/schema/index.ts";
import type { Api } from "../api/api.ts";

/** What the server has: models, samplers, goals, limits. */
export class Facts {
  models = $state.raw<readonly ModelInfo[]>([]);
  options = $state.raw<Options>();
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  async load(): Promise<void> {
    [this.models, this.options] = await Promise.all([this.#api.models(), this.#api.options()]);
  }

  /** A model tells its defaults once its files were looked at, as they are for counting tokens. */
  async learnDefaults(name: string | undefined): Promise<void> {
    const model = this.model(name);
    if (model && !model.defaults) this.models = await this.#api.models();
  }

  model(name: string | undefined): ModelInfo | undefined {
    return this.models.find((model) => (name === undefined ? model.default : model.name === name));
  }
}
