import { processorsOf, type ReadOn, type SamplingSettings, writeOn } from "../language/index.ts";
import { CpuGenerator, InputError, randomSeed } from "../tensor/index.ts";
import type { Gpt2Tokenizer } from "../text/index.ts";
import { createBan } from "./ban-list.ts";
import { limits, whole } from "./limits.ts";

/** What a person may ask of the prompt writer. */
export interface WriteSettings
  extends Pick<
    SamplingSettings,
    "temperature" | "topK" | "topP" | "minP" | "typicalP" | "repetitionPenalty" | "noRepeatNgram"
  > {
  /** Stands at the start of every prompt as it is given. Default: empty, the model begins by itself. */
  beginning?: string;
  /** How many prompts. Default 1. */
  count?: number;
  /**
   * Tokens of a prompt at most, as transformers counts: the beginning's and the end-of-text token included. Default: 40,
   * or 20 more than the beginning has.
   */
  maxLength?: number;
  /** Integer that fixes what is written. Default: random. Text i is drawn with seed + i, whatever the others are. */
  seed?: number;
  /** Words and phrases that must not be written. The beginning may hold them. */
  ban?: readonly string[];
  /**
   * The beginning's last word is not made longer, and something follows it. Without it the model may write on as it
   * alone would: "a cas" may become "a castle", and "a cat" stay "a cat". Default true; temperature 0 takes no heed of it.
   */
  wholeWords?: boolean;
  /**
   * Write so many texts and keep the `count` whose words are closest to the beginning's (by CLIP), the closest first.
   * Default: as many as `count`, none left out.
   */
  candidates?: number;
  /** How many of the likeliest tokens to tell with each choice. Default 0. */
  alternatives?: number;
  signal?: AbortSignal;
}

export interface LikelyPiece {
  readonly id: number;
  /** What the token adds to a text; U+FFFD where it is a part of a character. */
  readonly piece: string;
  /** After all settings, 0–1. */
  readonly probability: number;
}

/** A token was chosen. */
export interface PromptTokenEvent extends LikelyPiece {
  readonly type: "token";
  /** Which text, from 0 on; it is drawn with the seed that was asked for + draw. Texts are written side by side. */
  readonly draw: number;
  readonly seed: number;
  /** Its place among the text's tokens, the beginning's counted. */
  readonly position: number;
  readonly alternatives: readonly LikelyPiece[];
}

/** A text was written that is not kept; another one is drawn in its place. */
export interface PromptRefusedEvent {
  readonly type: "refused";
  readonly draw: number;
  readonly seed: number;
  readonly text: string;
  readonly reason: "duplicate" | "banned";
  /** What is in it that is banned. */
  readonly phrase?: string;
}

/** A prompt is finished. */
export interface WrittenPrompt {
  /** The beginning as it was given and what was written, in one line, without the end-of-text token. */
  readonly text: string;
  /** As transformers' `generate` returns them: the beginning's ids, what follows, the end-of-text id where it ended. */
  readonly tokens: readonly number[];
  /** Written alone with this seed, it is the same, unless it was steered. */
  readonly seed: number;
  /** Drawn after too many had been refused: what is banned was left out of the choice of its tokens. */
  readonly steered?: true;
  /** The geometric mean of the probabilities of the tokens that were written. */
  readonly probability: number;
  /** 100 times the cosine of the beginning's and the prompt's CLIP embeddings, as `clipScore`, where that was asked for. */
  readonly score?: number;
}

export interface PromptEvent extends WrittenPrompt {
  readonly type: "prompt";
  /** From 0 on. */
  readonly index: number;
}

/** Nothing follows. There are fewer prompts than were asked for where too many texts were refused. */
export interface WritingDoneEvent {
  readonly type: "done";
  readonly asked: number;
  readonly written: number;
  /** Texts that were drawn, the refused ones included. */
  readonly drawn: number;
  readonly duplicates: number;
  readonly banned: number;
}

export type WriteEvent = PromptTokenEvent | PromptRefusedEvent | PromptEvent | WritingDoneEvent;

/** A language model as far as writing goes. */
export interface Writer {
  readonly name: string;
  /** Tokens that it can hold in mind. */
  readonly positions: number;
  readonly tokenizer: Gpt2Tokenizer;
  read(options: { readonly signal?: AbortSignal }): { readonly readOn: ReadOn; close(): void };
  /** How close texts are to the beginning, −1…1 each. */
  score?(beginning: string, texts: readonly string[], signal?: AbortSignal): Promise<readonly number[]>;
}

/** Texts that are written side by side at most: enough to fill the matrices, few enough for a large model's memory. */
const SIDE_BY_SIDE = 16;

/**
 * Writes prompts. A text that is there already (whatever its casing and spaces) or holds something banned is drawn anew
 * with the next seed, up to four times as often as texts were asked for, and a little. Tokens that make banned words are
 * ruled out only where most of that did not help, and at temperature 0: a model that has begun to say something and must
 * not end it goes astray ("a plain green" that no "background" may follow).
 *
 * @throws InputError at once for settings that make no sense
 */
export function writeTexts(writer: Writer, settings: WriteSettings): WriteEvents {
  return write(writer, settings, planOf(writer, settings));
}

export type WriteEvents = AsyncGenerator<WriteEvent, void, undefined>;

async function* write(writer: Writer, settings: WriteSettings, plan: Plan): WriteEvents {
  const { tokenizer } = writer;
  const { signal } = settings;
  const { count, wanted, atMost, seed, ids, shown } = plan;
  const ban = createBan(settings.ban ?? [], tokenizer);
  const refused = { duplicate: 0, banned: 0 };
  const known = new Set<string>();
  const kept: WrittenPrompt[] = [];
  let drawn = 0;

  while (kept.length < wanted && drawn < atMost) {
    const steered = refused.banned > 0 && drawn >= plan.free;
    const until = drawn < plan.free ? Math.min(plan.free, atMost) : atMost;
    const round = Math.min(wanted - kept.length, until - drawn, SIDE_BY_SIDE);
    const texts = Array.from({ length: round }, (_, i) => createText(tokenizer, ids, seed + drawn + i));
    const reader = writer.read({ signal });
    let settled = 0;
    try {
      const choices = writeOn(reader.readOn, {
        ...settings,
        beginnings: texts.map(() => ids),
        maxLength: plan.maxLength,
        eosId: tokenizer.eosId,
        banned: steered || settings.temperature === 0 ? ban.sequences : [],
        suppressedAtBegin: plan.suppressedAtBegin,
        generators: texts.map((text) => new CpuGenerator(text.seed)),
      });
      for await (const { text: which, position, id, probability, alternatives } of choices) {
        signal?.throwIfAborted();
        const text = texts[which]!;
        const place = { draw: drawn + which, seed: text.seed, position };
        const piece = text.add(id, probability);
        const others = alternatives.map((likely) => ({ ...likely, piece: pieceOf(tokenizer, likely.id) }));
        yield { type: "token", ...place, id, piece, probability, alternatives: others };
        // In the order of their seeds, so that which of two equal texts stays does not depend on which was shorter.
        for (; texts[settled]?.ended(plan.maxLength); settled++) {
          const written = { ...texts[settled]!.finish(shown), ...(steered && { steered }) };
          const phrase = ban.find(written.text, shown.length);
          const key = written.text.toLowerCase().replace(/\s+/g, " ").trim();
          const reason = phrase !== undefined ? "banned" : known.has(key) ? "duplicate" : undefined;
          if (reason) {
            refused[reason]++;
            yield { type: "refused", draw: drawn + settled, seed: written.seed, text: written.text, reason, phrase };
            continue;
          }
          known.add(key);
          kept.push(written);
          if (!plan.scored) yield { type: "prompt", index: kept.length - 1, ...written };
        }
      }
    } finally {
      reader.close();
    }
    drawn += round;
  }

  if (plan.scored) {
    const best = await closest(kept, (texts) => writer.score!(shown, texts, signal));
    for (const [index, prompt] of best.slice(0, count).entries()) yield { type: "prompt", index, ...prompt };
  }
  const written = Math.min(kept.length, count);
  yield { type: "done", asked: count, written, drawn, duplicates: refused.duplicate, banned: refused.banned };
}

/** The prompts with their scores, the best first; of equal ones the earlier seed. */
async function closest(
  prompts: readonly WrittenPrompt[],
  score: (texts: readonly string[]) => Promise<readonly number[]>,
): Promise<WrittenPrompt[]> {
  const scores = await score(prompts.map(({ text }) => text));
  return prompts.map((prompt, i) => ({ ...prompt, score: scores[i]! })).sort((a, b) => b.score - a.score);
}

interface Plan {
  readonly count: number;
  /** Texts to keep before the best are chosen. */
  readonly wanted: number;
  /** Texts to draw at most. */
  readonly atMost: number;
  /** So many of them without a look at the ban list. */
  readonly free: number;
  readonly scored: boolean;
  readonly maxLength: number;
  readonly seed: number;
  readonly ids: readonly number[];
  /** The beginning as it stands in the texts. */
  readonly shown: string;
  readonly suppressedAtBegin: readonly number[];
}

const DEFAULT_LENGTH = 40;
const ROOM = 20;

function planOf(writer: Writer, settings: WriteSettings): Plan {
  const { name, positions, tokenizer } = writer;
  const { beginning = "", temperature = 1, wholeWords = true } = settings;
  // Looks at temperature, top-k and their like.
  processorsOf(settings, { eosId: tokenizer.eosId, beginning: 0 });
  const count = whole("The number of prompts", settings.count ?? 1, limits.count);
  const candidates = whole("The number of candidates", settings.candidates ?? count, limits.count);
  if (candidates < count) {
    throw new InputError(`${candidates} candidates are fewer than the ${count} prompts that are to be kept of them.`);
  }
  const seed = whole("The seed", settings.seed ?? randomSeed(), limits.seed);
  // A space at the end would be a token that hardly anything follows: words bring theirs along.
  const shown = beginning.trimEnd();
  const ids = shown === "" ? [tokenizer.eosId] : tokenizer.encode(shown);
  const maxLength = whole(
    "The greatest length",
    settings.maxLength ?? Math.min(positions, Math.max(DEFAULT_LENGTH, ids.length + ROOM)),
    [1, Number.MAX_SAFE_INTEGER],
  );
  if (maxLength > positions) {
    throw new InputError(`The greatest length is ${maxLength} tokens, and ${name} has ${positions} positions.`);
  }
  if (ids.length >= maxLength) {
    const has = shown === "" ? "The end-of-text token that stands for an empty beginning" : "The beginning";
    throw new InputError(
      `${has} takes ${ids.length} of the ${maxLength} tokens that a prompt may have: nothing can follow. ${
        ids.length < positions ? "Allow more of them" : `${name} has ${positions} positions: begin with less`
      }.`,
    );
  }
  const scored = settings.candidates !== undefined && shown !== "" && writer.score !== undefined;
  const wanted = temperature === 0 ? 1 : scored ? candidates : count;
  return {
    count,
    wanted,
    // Greedy, every further one would be the same.
    atMost: temperature === 0 ? 1 : 4 * wanted + 16,
    free: 3 * wanted + 8,
    scored,
    maxLength,
    seed,
    ids,
    shown,
    suppressedAtBegin: [
      ...(wholeWords && temperature > 0 ? [tokenizer.eosId] : []),
      // Whoever types a space has ended the word, greedy or not.
      ...(wholeWords && (temperature > 0 || shown !== beginning) && /[\p{L}\p{N}]$/u.test(shown)
        ? wordsGoingOn(tokenizer)
        : []),
    ],
  };
}

/** Tokens that make the word before them longer: those that start with a letter, a digit, or a part of a character. */
function wordsGoingOn(tokenizer: Gpt2Tokenizer): number[] {
  const all = Array.from({ length: tokenizer.vocabSize }, (_, id) => id);
  return all.filter((id) => id !== tokenizer.eosId && /^[\p{L}\p{M}\p{N}\ufffd]/u.test(tokenizer.decode([id])));
}

/** A text that is being written. */
function createText(tokenizer: Gpt2Tokenizer, beginning: readonly number[], seed: number) {
  const added: number[] = [];
  let told = "";
  let logProbability = 0;
  const over = (maxLength: number) => added.at(-1) === tokenizer.eosId || beginning.length + added.length >= maxLength;
  const words = () => tokenizer.decode(added.filter((id) => id !== tokenizer.eosId));
  return {
    seed,
    ended: over,
    /** Notes a token and returns what it adds to the text; a character of several tokens comes with its last one. */
    add(id: number, probability: number): string {
      added.push(id);
      logProbability += Math.log(probability);
      const before = told.length;
      told = words().replace(/\ufffd+$/, "");
      return told.slice(before);
    },
    finish(shown: string): WrittenPrompt {
      const text = (shown + oneLine(words())).trimEnd();
      return {
        text: shown === "" ? text.trimStart() : text,
        tokens: [...beginning, ...added],
        seed,
        probability: Math.exp(logProbability / Math.max(1, added.length)),
      };
    },
  };
}

function pieceOf(tokenizer: Gpt2Tokenizer, id: number): string {
  return id === tokenizer.eosId ? "" : tokenizer.decode([id]);
}

/** Line breaks become spaces, other control characters nothing. */
function oneLine(text: string): string {
  return text.replace(/ *[\t\n\v\f\r\x85\u2028\u2029]+ */g, " ").replace(/\p{Cc}/gu, "");
}
