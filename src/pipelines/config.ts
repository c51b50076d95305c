import { z } from "zod";
import { didYouMean } from "../hub/nearest.ts";
import { InputError } from "../tensor/index.ts";
import { NO_GOAL } from "./goals.ts";
import { convolutionChoices, limits, precisionChoices, weightForms } from "./limits.ts";
import { MEMORY_SIZE } from "./memory-size.ts";

const whole = ([low, high]: readonly [number, number]) => z.int().min(low).max(high);
const real = ([low, high]: readonly [number, number]) => z.number().min(low).max(high);
const side = whole([8, limits.side[1]]).multipleOf(8);
const text = z.string().min(1);

/** The settings of a picture that a goal may set, each optional. */
export const goalSettings = z.strictObject({
  negativePrompt: z.string().optional().describe("What the picture should not show"),
  steps: whole(limits.steps).optional().describe("Solver steps"),
  width: side.optional().describe("Pixels, a multiple of 8"),
  height: side.optional().describe("Pixels, a multiple of 8"),
  guidance: real(limits.guidance).optional().describe("How closely to follow the prompt: 1 is the prompt alone"),
  guidanceRescale: real(limits.guidanceRescale).optional().describe("How far guided contrast is pulled back"),
  guidanceInterval: z
    .tuple([real([0, 1]), real([0, 1])])
    .optional()
    .describe("Guide only in this part of the steps"),
  ngms: real(limits.ngms).optional().describe("Below this noise level guide only in every second call"),
  deepCache: whole(limits.deepCache).optional().describe("Run the whole U-Net in every n-th call only"),
  deepCacheBranch: whole(limits.deepCacheBranch).optional().describe("The skip at which its shallow part ends"),
  deepCacheFrom: real(limits.deepCacheFrom).optional().describe("Before this share of the steps every call is whole"),
  deepCacheLate: whole(limits.deepCacheLate).optional().describe("The same as deepCache after guidance has ended"),
  tokenMerging: real(limits.tokenMerging).optional().describe("Share of the places merged before self-attention"),
  sampler: text.optional().describe("A name of `inkling samplers`"),
  schedule: text.optional().describe("A noise schedule of `inkling samplers`"),
  eta: real(limits.eta).optional().describe("Fresh noise in DDIM and the ancestral samplers"),
  clipSkip: whole([1, 100]).optional().describe("Stop the text encoder before its last layers: 1 is none"),
});

const writer = z.strictObject({
  count: whole(limits.count).optional().describe("How many prompts to write"),
  maxLength: whole([1, 1024]).optional().describe("Tokens of a prompt at most, its beginning included"),
  temperature: real([0, 100]).optional().describe("Above 1 bolder, below 1 tamer, 0 greedy"),
});

const goal = z.strictObject({
  about: z.string().optional().describe("For people, one line"),
  extends: text.optional().describe("The goal whose settings hold where this one says nothing"),
  settings: goalSettings.optional().describe("Of the picture"),
  writer: writer.optional().describe("Of the prompt writer"),
});

const defaults = z.strictObject({
  model: text.optional().describe("As --model; ./ and ../ are seen from the folder of this file"),
  device: text.optional().describe("As --device"),
  threads: whole([1, 1024]).optional().describe("As --threads"),
  prepared: z
    .union([text, z.literal(false)])
    .optional()
    .describe("As --prepared, seen from the folder of this file; false as --no-prepared"),
  preparedLimit: real(limits.preparedLimit).optional().describe("As --prepared-limit: GiB"),
  convolutions: z.enum(convolutionChoices).optional().describe("As --convolutions"),
  convolutionMemory: z.string().regex(MEMORY_SIZE).optional().describe("As --convolution-memory: 512MiB, 1GiB, 0"),
  precision: z.enum(precisionChoices).optional().describe("As --precision"),
  weights: z.enum(weightForms).optional().describe("As --weights"),
  goal: text.optional().describe("As --goal"),
  embeddings: z
    .record(text, text)
    .optional()
    .describe("As --embedding: words and their files, seen from the folder of this file"),
  negative: z.string().optional().describe("As --negative"),
  output: text.optional().describe("As --output, seen from the folder of this file"),
});

/** What an inkling.config file may say. Every key is optional; one that is not known is refused. */
export const configSchema = z.strictObject({
  $schema: z.string().optional().describe("Where the schema of this file lies, for editors"),
  goals: z
    .record(z.string().regex(/^[\p{L}\p{N}][\p{L}\p{N}._-]*$/u), goal)
    .refine((goals) => !Object.hasOwn(goals, NO_GOAL), { error: `"${NO_GOAL}" is the word for no goal` })
    .optional()
    .describe("Goals of one's own. One with the name of a goal that is there changes it key by key"),
  defaults: defaults.optional().describe("What holds where neither an option nor a goal says otherwise"),
});

/** What an inkling.config file may say. */
export type Config = z.input<typeof configSchema>;

/** Gives a config file its types: `export default defineConfig({ … })`. */
export function defineConfig(config: Config): Config {
  return config;
}

/**
 * Checks what a config file holds.
 *
 * @param file its path, for messages
 * @throws InputError naming the file, the key and what is wrong with it
 */
export function checkConfig(config: unknown, file: string): Config {
  if (typeof config !== "object" || config === null || Array.isArray(config)) {
    throw new InputError(`${file} should hold an object of settings; a program has it as its default export.`);
  }
  const result = configSchema.safeParse(config);
  if (result.success) return result.data;
  const issue = result.error.issues[0]!;
  const at = issue.path.length > 0 ? `"${issue.path.join(".")}": ` : "";
  throw new InputError(
    `${file}: ${at}${issue.code === "unrecognized_keys" ? unknownKey(issue.keys[0]!, issue.path) : issue.message}.`,
  );
}

/** The same as JSON Schema, for editors; `assets/config.schema.json` is made of it. */
export function configJsonSchema(): Record<string, unknown> {
  return {
    ...z.toJSONSchema(configSchema, { io: "input", target: "draft-7" }),
    title: "inkling.config",
    description: "Goals and defaults of one's own for inkling",
  };
}

/** What an object of the schema says, as far as it is walked here. */
interface Described {
  readonly properties?: Readonly<Record<string, Described>>;
  readonly additionalProperties?: Described;
}

function unknownKey(key: string, path: readonly PropertyKey[]): string {
  const top = configJsonSchema() as Described;
  const there = path.reduce<Described | undefined>(
    (each, part) => each?.properties?.[String(part)] ?? each?.additionalProperties,
    top,
  );
  const keys = Object.keys(there?.properties ?? {}).filter((each) => !each.startsWith("$"));
  return `there is no key "${key}"${didYouMean(key, keys)}: ${keys.join(", ")}`;
}
