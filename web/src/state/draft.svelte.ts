import type { DrawRequest, GoalInfo, ModelInfo, PictureSource } from "../../../src/server/schema/index.ts";

/** What is set by hand; what is not is left to the goal, and then to the model. */
export type Overrides = Omit<DrawRequest, "prompt" | "negativePrompt" | "model" | "goal" | "seed" | "image" | "mask">;
export type OverrideKey = keyof Overrides;

/** A picture to start from, and where it can be looked at. */
export interface InitPicture {
  readonly source: PictureSource;
  readonly url: string;
}

/** The keys of a request that an address can hold, with how they are read from there. */
const QUERY_NUMBERS = [
  "steps",
  "width",
  "height",
  "guidance",
  "guidanceRescale",
  "count",
  "bestOf",
  "strength",
  "eta",
  "clipSkip",
  "deepCache",
  "tokenMerging",
] as const satisfies readonly OverrideKey[];
const QUERY_NAMES = ["sampler", "schedule"] as const satisfies readonly OverrideKey[];
/** What a drawn picture's settings say beside those. */
export const OF_PICTURES = [
  "guidanceInterval",
  "ngms",
  "deepCacheBranch",
  "deepCacheFrom",
  "deepCacheLate",
  "rng",
  "promptSyntax",
  "emphasis",
] as const satisfies readonly OverrideKey[];
const TAKEN: readonly OverrideKey[] = [...QUERY_NUMBERS, ...QUERY_NAMES, ...OF_PICTURES];
/** What means nothing more than its absence. */
const NEUTRAL: Readonly<Partial<Record<OverrideKey, string>>> = {
  guidanceRescale: "0",
  guidanceInterval: "0,1",
  ngms: "0",
  rng: "cpu",
  promptSyntax: "a1111",
  emphasis: "original",
  count: "1",
};

/** What is going to be drawn. */
export class Draft {
  prompt = $state("");
  negativePrompt = $state("");
  model = $state<string>();
  goal = $state<string>();
  overrides = $state.raw<Overrides>({});
  seed = $state<number>();
  /** Whether the next picture has this seed as well; else a new one is thrown. */
  seedLocked = $state(false);
  init = $state.raw<InitPicture>();

  set<Key extends OverrideKey>(key: Key, value: Overrides[Key] | undefined): void {
    const { [key]: _, ...others } = this.overrides;
    this.overrides = value === undefined ? others : { ...others, [key]: value };
  }

  /** What holds for a setting: set by hand, by the goal, or by the model; nothing where only the server knows. */
  effective(
    key: OverrideKey,
    goal: GoalInfo | undefined,
    model: ModelInfo | undefined,
  ): { readonly value: unknown; readonly from: "hand" | "goal" | "model" } {
    const own: unknown = this.overrides[key];
    if (own !== undefined) return { value: own, from: "hand" };
    const ofGoal: unknown = (goal?.settings as Record<string, unknown> | undefined)?.[key];
    if (ofGoal !== undefined) return { value: ofGoal, from: "goal" };
    return { value: (model?.defaults as Record<string, unknown> | undefined)?.[key], from: "model" };
  }

  request(): DrawRequest {
    return {
      prompt: this.prompt,
      ...(this.negativePrompt.trim() && { negativePrompt: this.negativePrompt }),
      ...(this.model && { model: this.model }),
      ...(this.goal && { goal: this.goal }),
      ...this.overrides,
      ...(this.seedLocked && this.seed !== undefined && { seed: this.seed }),
      ...(this.init ? { image: this.init.source } : { strength: undefined }),
    };
  }

  /** Settings as a picture tells them; they stand alone, without what was set before. */
  take(settings: Partial<DrawRequest>): void {
    this.prompt = settings.prompt ?? "";
    this.negativePrompt = settings.negativePrompt ?? "";
    this.model = settings.model;
    this.goal = settings.goal;
    this.seed = settings.seed;
    this.seedLocked = settings.seed !== undefined;
    const of = settings as Readonly<Record<string, unknown>>;
    this.overrides = Object.fromEntries(
      TAKEN.filter((key) => of[key] !== undefined && of[key] !== null && String(of[key]) !== NEUTRAL[key]).map(
        (key) => [key, of[key]],
      ),
    );
  }

  /** As an address tells it. What would be too long for one (a picture from this machine) is not in there. */
  query(): URLSearchParams {
    const query = new URLSearchParams();
    const put = (key: string, value: unknown): void => {
      if (value !== undefined && value !== "") query.set(key, String(value));
    };
    put("prompt", this.prompt);
    put("negativePrompt", this.negativePrompt);
    put("model", this.model);
    put("goal", this.goal);
    for (const key of [...QUERY_NUMBERS, ...QUERY_NAMES]) put(key, this.overrides[key]);
    if (this.seedLocked) put("seed", this.seed);
    if (this.init && "picture" in this.init.source) put("image", this.init.source.picture);
    return query;
  }

  read(query: URLSearchParams): void {
    const number = (key: string): number | undefined => {
      const text = query.get(key);
      return text !== null && text.trim() !== "" && Number.isFinite(Number(text)) ? Number(text) : undefined;
    };
    const text = (key: string): string | undefined => query.get(key) ?? undefined;
    this.take({
      prompt: text("prompt"),
      negativePrompt: text("negativePrompt"),
      model: text("model"),
      goal: text("goal"),
      seed: number("seed"),
      ...Object.fromEntries(QUERY_NUMBERS.map((key) => [key, number(key)])),
      ...Object.fromEntries(QUERY_NAMES.map((key) => [key, text(key)])),
    });
    const image = text("image");
    this.init = image
      ? { source: { picture: image }, url: `/api/pictures/${encodeURIComponent(image)}/thumbnail` }
      : undefined;
  }
}
