import { inFewerBits } from "../graph/index.ts";
import { resolveModel } from "../hub/index.ts";
import type { ReadOn } from "../language/index.ts";
import { cacheNames, type Gpt2Config, gpt2, gpt2Config } from "../models/index.ts";
import type { KeptTensor, Runtime } from "../runtime/index.ts";
import { float32, InputError, type Tensor, zeros } from "../tensor/index.ts";
import { createGpt2Tokenizer, type Gpt2Tokenizer } from "../text/index.ts";
import { findNonFinite, type ModelPart, openModelPart, readTokenizer } from "../weights/index.ts";
import type { OpeningOptions } from "./opening.ts";
import { createSessions, type Network, type Sessions } from "./sessions.ts";

/** GPT-2 with its tokenizer, ready to continue texts. */
export interface LanguageModel {
  /** For people: the short name, the repository, or the path. */
  readonly name: string;
  readonly config: Gpt2Config;
  readonly tokenizer: Gpt2Tokenizer;
  /** A reader of its own for each run: it remembers what it was shown, so that each token is computed once. */
  read(options?: ReadOptions): TextReader;
  /** Gives the weights back; the runtime stays. */
  close(): Promise<void>;
}

export interface ReadOptions {
  /** [B, N, C]: embeddings that stand before each text. Where the model was opened for them, and only there. */
  readonly prefix?: Tensor<"float32">;
  readonly signal?: AbortSignal;
}

export interface TextReader {
  readonly readOn: ReadOn;
  /** Lets the memory of the texts go. */
  close(): void;
}

export interface LanguageModelOptions extends OpeningOptions {
  readonly signal?: AbortSignal;
  /**
   * What products with the weights are computed in. "8bit" is faster, for it reads a quarter of the memory for each token,
   * and not exact; see `inFewerBits`. Default "float32".
   */
  readonly weights?: "float32" | "8bit";
}

/**
 * Opens a published GPT-2 in transformers' layout.
 *
 * @param model a name of kind "gpt2" (see `resolveModel`) or a folder; the embedded one where it is left out
 * @throws InputError when it cannot be found or its files are damaged
 */
export async function openLanguageModel(
  model: string | undefined,
  runtime: Runtime,
  options: LanguageModelOptions = {},
): Promise<LanguageModel> {
  const { name, path } = await resolveModel(model, options.env ?? process.env, "gpt2");
  return openGpt2({ name, part: await openModelPart(path), tokenizerFolder: path }, runtime, options);
}

export interface Gpt2Files {
  readonly name: string;
  readonly part: ModelPart;
  readonly tokenizerFolder: string;
  /** Texts may have embeddings before them. Default false. */
  readonly prefixed?: boolean;
}

/** As `openLanguageModel`, for files that were found already. */
export async function openGpt2(
  { name, part, tokenizerFolder, prefixed = false }: Gpt2Files,
  runtime: Runtime,
  { onNote, signal, weights = "float32" }: LanguageModelOptions,
): Promise<LanguageModel> {
  if (weights !== "float32" && weights !== "8bit") {
    throw new InputError(`Weights are computed with in "float32" or "8bit", not in "${String(weights)}".`);
  }
  const config = gpt2Config(part.config, part.configFile);
  const { merges, vocab } = await readTokenizer(tokenizerFolder, { vocabSize: config.vocab_size });
  const sessions = createSessions(runtime, { onNote, findNonFinite });
  const exact = () => gpt2(config, { prefixed, logits: "last" });
  const build = weights === "8bit" ? () => inFewerBits(exact(), () => 8) : exact;
  const handed = cacheNames(config).flat();
  const network: Network = { name: "GPT-2", variant: "", part, build: () => ({ graph: build(), handed }) };
  await sessions.open(network, signal);
  return {
    name,
    config,
    tokenizer: createGpt2Tokenizer({ merges, vocab }),
    read: (options) => createReader(sessions, network, config, options),
    close: () => sessions.release(),
  };
}

/** Added to the score of a token that is not seen: float32's lowest, as transformers has it. */
const UNSEEN = -3.4028234663852886e38;

/**
 * Reads texts side by side. Beginnings of different lengths are padded on the left, where no later token looks; the
 * keys and values of what was read stay with the runtime. A prefix stands before the padding.
 */
function createReader(
  sessions: Sessions,
  network: Network,
  config: Gpt2Config,
  { signal, prefix }: ReadOptions = {},
): TextReader {
  const names = cacheNames(config);
  const { n_head: heads, n_embd: channels } = config;
  const before = prefix?.shape[1] ?? 0;
  let padding: readonly number[] = [];
  let seen = 0;
  let cache: Readonly<Record<string, KeptTensor>> = {};
  const forget = () => {
    for (const tensor of Object.values(cache)) tensor.dispose();
    cache = {};
  };
  return {
    async readOn(tokens) {
      const batch = tokens.length;
      const length = Math.max(...tokens.map((ids) => ids.length));
      if (seen === 0) padding = tokens.map((ids) => length - ids.length);
      const fresh = length + (seen === 0 ? before : 0);
      const total = seen + fresh;
      const ids = zeros("int64", [batch, length]);
      const places = zeros("int64", [batch, fresh]);
      const mask = zeros("float32", [batch, 1, fresh, total]);
      for (const [row, text] of tokens.entries()) {
        const pad = padding[row]!;
        const offset = length - text.length;
        for (const [i, id] of text.entries()) ids.data[row * length + offset + i] = BigInt(id);
        for (let t = 0; t < fresh; t++) {
          const column = seen + t;
          places.data[row * fresh + t] = BigInt(column < before ? column : Math.max(0, column - pad));
          const start = (row * fresh + t) * total;
          mask.data.fill(UNSEEN, start + before, start + before + pad);
          mask.data.fill(UNSEEN, start + column + 1, start + total);
        }
      }
      const nothing = (...shape: number[]) => float32(shape, new Float32Array(0));
      const past = names.map(([name, present]) => [name, cache[present] ?? nothing(batch, heads, 0, channels / heads)]);
      const feeds = {
        input_ids: ids,
        position_ids: places,
        attention_bias: mask,
        ...(prefix && { prefix: seen === 0 ? prefix : nothing(batch, 0, channels) }),
        ...Object.fromEntries(past),
      };
      const { outputs, kept } = await sessions.runKeeping(network, feeds, signal);
      forget();
      cache = kept;
      seen = total;
      return (await sessions.finite(outputs["logits"], network)).data;
    },
    close: forget,
  };
}
