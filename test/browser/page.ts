/** What runs inside the page: graphs and feeds come from the server that served it, outputs go back to the test. */

import { clipConfig } from "../../src/configs/index.ts";
import type { GenerateSettings } from "../../src/pipelines/settings.ts";
import { createWebRuntime, type Session } from "../../src/runtime/web.ts";
import { float32 } from "../../src/tensor/index.ts";
import {
  clipLoss,
  createTrainer,
  type StepResult,
  type Trainer,
  type TrainerOptions,
} from "../../src/training/page.ts";
import { counter, reader } from "../support/counter.ts";
import { createDrawing, type Drawing, type PackedDrawn, type PageFacts } from "./drawing.ts";
import { mapValues, type PackedTensors, pack, unpack } from "./packed.ts";

/** Where a graph lies, and what it says of its weights. */
export interface PageModel {
  readonly address: string;
  readonly name: string;
  readonly folder: string;
  readonly locations: readonly string[];
  readonly weightBytes: number;
}

/** A CLIP to teach: its config.json, the sizes of a batch, and what its weights start from. */
export interface PageClip {
  readonly config: Record<string, unknown>;
  readonly shape: { readonly batch: number; readonly tokens: number };
  readonly weights: PackedTensors;
  readonly optimizer: TrainerOptions;
}

let trainer: Trainer | undefined;

const runtime = createWebRuntime({ device: "webgpu", strict: true });
let kept: { readonly address: string; readonly session: Session } | undefined;
let drawing: { readonly name: string; readonly it: Drawing } | undefined;

const inPage = {
  /** What the adapter is, or nothing where there is none. */
  async adapter(): Promise<string | undefined> {
    const gpu = (navigator as { gpu?: { requestAdapter(): Promise<{ info: { description: string } } | null> } }).gpu;
    return (await gpu?.requestAdapter())?.info.description;
  },

  async run(model: PageModel, feeds: PackedTensors): Promise<PackedTensors> {
    if (kept?.address !== model.address) {
      await kept?.session.release();
      kept = undefined;
      kept = { address: model.address, session: await runtime.createSession(await fetched(model)) };
    }
    const outputs = await kept.session.run(mapValues(feeds, unpack));
    return mapValues(outputs, pack);
  },

  /** Why a session cannot be made of a graph, or nothing where it can. */
  async refusal(model: PageModel, strict: boolean): Promise<string | undefined> {
    const other = createWebRuntime({ device: "webgpu", strict });
    try {
      await other.createSession(await fetched(model));
      return undefined;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    } finally {
      await other.close();
    }
  },

  /** Where the page keeps a tensor, and x + 2 by way of it, read after its session was released. */
  async kept(x: number): Promise<{ location: string; sum: number }> {
    const [first, second] = [await counter(runtime), await counter(runtime)];
    const { kept } = await first.runKeeping({ x: float32([1], [x]) });
    await first.release();
    const { kept: once } = await second.runKeeping({ x: kept["sum"]! });
    const { y } = await (await reader(runtime)).run({ x: once["sum"]! });
    const { location } = kept["sum"]!;
    for (const tensor of [kept["sum"]!, once["sum"]!]) tensor.dispose();
    return { location, sum: (y!.data as Float32Array)[0]! };
  },

  async draw(facts: PageFacts, settings: GenerateSettings, picture: number): Promise<PackedDrawn> {
    if (drawing?.name !== facts.name) drawing = { name: facts.name, it: createDrawing(facts, runtime) };
    return await drawing.it.draw(settings, picture);
  },

  async drawUnseen(facts: PageFacts, settings: GenerateSettings): ReturnType<Drawing["drawUnseen"]> {
    return await createDrawing(facts, runtime).drawUnseen(settings);
  },

  async openTrainer({ config, shape, weights, optimizer }: PageClip): Promise<void> {
    const initial = (name: string) => unpack(weights[name]!).data as Float32Array;
    trainer = await createTrainer(clipLoss(clipConfig(config), shape), initial, runtime, optimizer);
  },

  step: (batch: PackedTensors, learningRate: number): Promise<StepResult> =>
    trainer!.step(mapValues(batch, unpack), learningRate),

  async learnt(state: "weights" | "ema"): Promise<PackedTensors> {
    const values = await trainer!.read(state);
    return Object.fromEntries([...values].map(([name, data]) => [name, pack(float32([data.length], data))]));
  },

  closeTrainer: (): Promise<void> => trainer!.close(),
};

export type InPage = typeof inPage;

Object.assign(globalThis, { inPage });

async function fetched({ address, ...about }: PageModel) {
  return { ...about, bytes: new Uint8Array(await (await fetch(address)).arrayBuffer()) };
}
