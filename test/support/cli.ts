/** The command line in this process: its streams caught, its engine a stand-in that draws a gradient. */
import { PassThrough, Writable } from "node:stream";
import { expect } from "vitest";
import { type Cli, type Drawer, type Engine, engine } from "../../src/cli/cli.ts";
import { run } from "../../src/cli/program.ts";
import { type Picture, pictureFromPixels, readPicture } from "../../src/image/index.ts";
import { judged } from "../../src/pipelines/best-of.ts";
import type { Captioner } from "../../src/pipelines/captions.ts";
import type { Clip } from "../../src/pipelines/clip.ts";
import type { GenerateEvent } from "../../src/pipelines/events.ts";
import type { PromptWriter } from "../../src/pipelines/prompt-writer.ts";
import type { GenerateSettings, ResolvedSettings } from "../../src/pipelines/settings.ts";
import type { WriteSettings } from "../../src/pipelines/writing.ts";
import { float32, InputError, int64 } from "../../src/tensor/index.ts";

export interface World {
  engine?: Partial<Engine>;
  env?: Record<string, string>;
  /** Whether stderr is a terminal, of 80 × 24. */
  terminal?: boolean;
  /** Whether stdout is one. */
  screen?: boolean;
  /** What is typed, if stdin is a terminal too. */
  typed?: string;
  signal?: AbortSignal;
  /** Steps take this long. */
  milliseconds?: number;
  /** Called before each step. */
  onStep?: (call: number) => void;
  dropped?: string;
  uncond?: boolean;
  /** What the writer adds to a beginning, prompt by prompt; by default as many as are asked for. */
  endings?: readonly string[];
}

export interface Ran {
  code: number;
  /** Bytes as Latin-1 in `raw`, as UTF-8 in `stdout`. */
  stdout: string;
  raw: Buffer;
  stderr: string;
  /** What the engine was asked for. */
  loads: { model: string | undefined; options: Parameters<Engine["load"]>[1] }[];
  asked: GenerateSettings[];
  /** Runs whose steps nobody looked into. */
  unseen: number;
  captioners: Parameters<Engine["openCaptioner"]>[0][];
  clips: { model: string | undefined; options: Parameters<Engine["openClip"]>[1] }[];
  /** Pictures that the CLIP was shown. */
  seen: number;
  closed: number;
  /** The writers that were opened, what they were asked for, and how many of them were closed. */
  writers: (string | undefined)[];
  writing: WriteSettings[];
  writersClosed: number;
}

export async function runCli(args: readonly string[], world: World = {}): Promise<Ran> {
  const ran: Ran = {
    code: -1,
    stdout: "",
    raw: Buffer.alloc(0),
    stderr: "",
    loads: [],
    asked: [],
    unseen: 0,
    captioners: [],
    clips: [],
    seen: 0,
    closed: 0,
    writers: [],
    writing: [],
    writersClosed: 0,
  };
  const out: Buffer[] = [];
  const err: Buffer[] = [];
  const fake: Engine = {
    load: async (model, options) => {
      ran.loads.push({ model, options });
      return fakeDrawer(ran, world);
    },
    plan: async () => {
      const { model, resolve } = fakeDrawer(ran, world);
      return { model, plan: (asked) => ({ settings: resolve(asked), notes: ["a remark"] }) };
    },
    openWriter: async ({ model }) => {
      ran.writers.push(model);
      return fakeWriter(ran, world);
    },
    openCaptioner: async (options) => {
      ran.captioners.push(options);
      return fakeCaptioner(ran);
    },
    openClip: async (model, options) => {
      ran.clips.push({ model, options });
      return fakeClip(ran);
    },
    convolutionPlan: engine.convolutionPlan,
    benchmark: async () => ({ steps: 1, load_s: 1, encode_s: [0.1, 0.2], step_s: [0.3], decode_s: [0.4] }),
    describeRuntime: async () => [
      { device: "cpu", works: true, reason: "works" },
      { device: "webgpu", works: false, reason: "no adapter" },
    ],
  };
  const cli: Cli = {
    stdout: Object.assign(sink(out), world.screen && { isTTY: true }),
    stderr: Object.assign(sink(err), world.terminal && { isTTY: true, columns: 80, rows: 24 }),
    ...(world.typed !== undefined && { stdin: typing(world.typed) }),
    env: world.env ?? {},
    signal: world.signal ?? new AbortController().signal,
    engine: { ...fake, ...world.engine },
  };
  ran.code = await run(args, cli);
  ran.raw = Buffer.concat(out);
  ran.stdout = ran.raw.toString();
  ran.stderr = Buffer.concat(err).toString();
  return ran;
}

/** One line on stderr, and nothing anywhere else. */
export function expectRefusal(ran: Pick<Ran, "code" | "stdout" | "stderr">, code: number, ...words: string[]): void {
  expect(ran.stderr).toMatch(/^inkling: [^\n]+\n$/);
  for (const word of words) expect(ran.stderr).toContain(word);
  expect(ran.stdout).toBe("");
  expect(ran.code).toBe(code);
}

function typing(text: string) {
  const stdin = Object.assign(new PassThrough(), { isTTY: true });
  stdin.write(text);
  return stdin;
}

function sink(chunks: Buffer[]): Writable {
  return new Writable({
    write(chunk: Buffer, _, done) {
      chunks.push(Buffer.from(chunk));
      done();
    },
  });
}

/** Sees a picture as its mean colour, and of a text the colours' names. */
export function fakeClip(ran = { seen: 0, closed: 0 }): Clip {
  const unit = (values: readonly number[]): Float32Array => {
    const length = Math.hypot(...values);
    return Float32Array.from(values, (x) => x / length);
  };
  const colours = ["red", "green", "blue"];
  const clip: Clip = {
    model: "fake-clip",
    device: "cpu",
    dimension: 3,
    logitScale: 10,
    embedPictures: async (pictures, { signal } = {}) => {
      signal?.throwIfAborted();
      ran.seen += pictures.length;
      return (pictures as Picture[]).map(({ data }) =>
        unit(colours.map((_, c) => 1 + data.filter((_, i) => i % 3 === c).reduce((sum, x) => sum + x, 0))),
      );
    },
    embedTexts: async (texts) => texts.map((text) => unit(colours.map((name) => (text.includes(name) ? 1 : 0.01)))),
    score: async () => 0,
    fingerprint: async () => "fake",
    close: async () => void ran.closed++,
  };
  return clip;
}

/** Says of every picture how wide it is, in three ways at most. */
function fakeCaptioner(ran: Ran): Captioner {
  const caption: Captioner["caption"] = async (source, { count = 1 } = {}) => {
    const { width } = await readPicture(source);
    return Array.from({ length: Math.min(count, 3) }, (_, i) => ({
      text: `a blue square, ${width} wide (${i})`,
      score: 30.126 - i,
    }));
  };
  return {
    model: "inkdrop-captioner",
    clip: "inkdrop-clip",
    device: "cpu",
    check({ temperature }) {
      if (temperature === 99) throw new InputError("temperature is 99; it has to be less.");
    },
    caption,
    async *stream(source, settings) {
      yield { type: "captions", captions: await caption(source, settings), seed: 0 };
    },
    close: async () => void ran.closed++,
  };
}

function fakeWriter(ran: Ran, { endings }: World): PromptWriter {
  return {
    model: "/somewhere/fake-gpt2",
    positions: 64,
    async *stream(settings = {}) {
      ran.writing.push(settings);
      const { beginning = "", count = 1, seed = 0, candidates } = settings;
      const all = endings ?? Array.from({ length: count }, (_, i) => `, ending ${i + 1}`);
      for (const [index, ending] of all.entries()) {
        settings.signal?.throwIfAborted();
        const score = candidates === undefined ? {} : { score: 0.9 - index / 10 };
        const text = beginning + ending;
        yield { type: "prompt", index, text, tokens: [index], seed: seed + index, probability: 0.5, ...score };
      }
      yield { type: "done", asked: count, written: all.length, drawn: 99, duplicates: 99 - all.length, banned: 0 };
    },
    write: () => Promise.reject(new Error("Commands read the stream.")),
    close: async () => void ran.writersClosed++,
  };
}

/** Likes the second of three pictures best, the first more than the third. */
export function moodyClip(): Clip {
  let seen = 0;
  const likes = [0.5, 0.9, 0.1];
  return {
    ...fakeClip(),
    embedTexts: async () => [Float32Array.of(1, 0, 0)],
    embedPictures: async () => [Float32Array.of(likes[seen++ % 3]!, 0, 0)],
  };
}

function fakeDrawer(ran: Ran, world: World): Drawer {
  const resolve = (asked: GenerateSettings): ResolvedSettings => {
    if (asked.clipSkip === 99) throw new InputError("clip skip is 99; it has to be a whole number from 1 to 12.");
    const goal = typeof asked.goal === "object" ? asked.goal.settings : {};
    const deepCache = asked.deepCache ?? goal.deepCache;
    return {
      prompt: asked.prompt,
      ...(typeof asked.goal === "object" && { goal: asked.goal.name }),
      negativePrompt: asked.negativePrompt ?? "",
      promptSyntax: asked.promptSyntax ?? "a1111",
      emphasis: asked.emphasis ?? "original",
      steps: asked.steps ?? goal.steps ?? 3,
      width: asked.width ?? goal.width ?? 16,
      height: asked.height ?? goal.height ?? 24,
      guidance: asked.guidance ?? goal.guidance ?? 7,
      guidanceRescale: asked.guidanceRescale ?? goal.guidanceRescale ?? 0,
      guidanceInterval: asked.guidanceInterval ?? goal.guidanceInterval ?? [0, 1],
      ngms: asked.ngms ?? goal.ngms ?? 0,
      sampler: asked.sampler ?? goal.sampler ?? "PNDMScheduler",
      schedule: asked.schedule ?? goal.schedule ?? "",
      eta: asked.eta,
      seed: asked.seed ?? 1234,
      rng: asked.rng ?? "cpu",
      count: asked.count ?? 1,
      noise: asked.noise ?? "each",
      clipSkip: asked.clipSkip,
      tiling: asked.tiling ?? false,
      ...(asked.tokenMerging && { tokenMerging: asked.tokenMerging }),
      ...(deepCache && {
        deepCache,
        deepCacheBranch: asked.deepCacheBranch ?? goal.deepCacheBranch ?? 0,
        deepCacheFrom: asked.deepCacheFrom ?? goal.deepCacheFrom ?? 0,
        deepCacheLate: asked.deepCacheLate ?? goal.deepCacheLate,
      }),
      ...(asked.image && { strength: asked.strength ?? 0.8 }),
      ...(asked.mask && { maskBlur: asked.maskBlur ?? 4 }),
      model: "inkdrop-256",
    };
  };
  const stream: Drawer["stream"] = (asked) => {
    ran.asked.push(asked);
    const settings = { ...resolve(asked), count: (asked.count ?? 1) * (asked.bestOf ?? 1) };
    const events = fakeEvents(asked, settings, world);
    return asked.bestOf ? judged(events, settings, { clip: moodyClip(), of: asked.bestOf }) : events;
  };
  return {
    model: "inkdrop-256",
    device: "cpu",
    resolve,
    parts: { tokenizer: fakeTokenizer },
    stream,
    async *progress(asked) {
      ran.unseen++;
      for await (const event of stream(asked)) {
        if (event.type !== "step") yield event;
        else {
          const { type, picture, call, calls, timestep, sigma, secondsLeft } = event;
          yield { type, picture, call, calls, timestep, sigma, secondsLeft };
        }
      }
    },
    close: async () => void ran.closed++,
  };
}

/** Every token is a word, by its number; the fake prompt is 77 times the word "1". */
const fakeTokenizer: Drawer["parts"]["tokenizer"] = {
  ...{ bosId: 100, eosId: 101, padId: 101, vocabSize: 102, maxLength: 77 },
  encode: () => [100, 1, 101],
  row: () => ({ ids: Array<number>(77).fill(1), mask: Array<number>(77).fill(1), dropped: "" }),
  decode: (ids) => ids.join(" "),
  token: (id) => `${id}</w>`,
  span: () => 1,
};

/** Of a picture. */
const SECONDS = 2;

async function* fakeEvents(
  asked: GenerateSettings,
  settings: ResolvedSettings,
  { milliseconds = 0, onStep, dropped = "", uncond = true }: World,
): AsyncGenerator<GenerateEvent> {
  const { width, height, steps, count } = settings;
  const latents = float32(
    [1, 4, height / 8, width / 8],
    Float32Array.from({ length: (width * height) / 16 }, (_, i) => i),
  );
  const pixels = float32(
    [1, 3, height, width],
    Float32Array.from({ length: 3 * width * height }, (_, i) => (i % 50) / 49),
  );
  const preview = asked.preview ? await pictureFromPixels(pixels) : undefined;
  const tokens = int64([1, 77], Array(77).fill(1));
  const looks = float32(
    [1, 2, 77],
    Float32Array.from({ length: 154 }, (_, i) => (i < 77 ? 0 : 1 / 77)),
  );
  const embedding = float32([1, 77, 2], new Float32Array(154));
  const text = { of: "cond", part: 0, weight: 1, until: steps, text: settings.prompt } as const;
  const weights = float32([1, 77], Array(77).fill(1));
  yield { type: "model", model: settings.model, device: "cpu", reason: "as asked", precision: "float32", seconds: 0.5 };
  yield {
    type: "tokens",
    cond: tokens,
    ...(uncond && { uncond: tokens }),
    dropped,
    texts: [{ ...text, ids: tokens, weights }],
  };
  yield { type: "embeddings", cond: embedding, ...(uncond && { uncond: embedding }), texts: [{ ...text, embedding }] };
  for (let picture = 0; picture < count; picture++) {
    const seed = settings.seed + picture;
    const later = SECONDS * (count - 1 - picture);
    yield {
      type: "start",
      picture,
      seed,
      noise: latents,
      initNoiseSigma: 2,
      initial: latents,
      timesteps: [3, 2, 1],
      sigmas: [3, 2, 1, 0],
    };
    for (let call = 0; call < steps; call++) {
      await new Promise((done) => setTimeout(done, milliseconds));
      onStep?.(call);
      asked.signal?.throwIfAborted();
      const secondsLeft = steps - call + later;
      yield {
        type: "step",
        picture,
        call,
        calls: steps,
        timestep: 3 - call,
        sigma: 3 - call,
        latents,
        prediction: latents,
        x0: latents,
        preview,
        ...(asked.inside && { inside: { seen: latents, cond: latents, attention: { middle: looks } } }),
        secondsLeft,
      };
    }
    yield { type: "decode", picture, secondsLeft: 1 + later };
    const image = await pictureFromPixels(pixels);
    yield {
      type: "image",
      picture,
      image,
      pixels,
      settings: { ...settings, seed, modelHash: "0123456789" },
      seconds: SECONDS,
    };
  }
}
