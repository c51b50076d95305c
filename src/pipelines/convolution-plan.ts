import {
  budgetFor,
  type ConvolutionClass,
  type ConvolutionForm,
  estimate,
  flops,
  formsOf,
  type Measured,
  nameOfClass,
  type PlannedConvolution,
  type PlanOptions,
  planConvolutions,
} from "../graph/index.ts";
import { unetConfig, unetParts } from "../models/index.ts";
import { type FactsOptions, modelFacts } from "./facts.ts";
import { type ConvolutionalNetwork, type MeasureOptions, measureConvolutions } from "./measure-convolutions.ts";
import {
  keepMeasured,
  lookup,
  type Machine,
  type Measurements,
  measuredFile,
  merged,
  readMeasured,
  thisMachine,
} from "./measured-convolutions.ts";
import { autoencoderOf, tiledByDefault } from "./networks.ts";
import type { OpeningOptions } from "./opening.ts";
import { checkSize, type ModelFacts } from "./resolve.ts";
import type { SessionsOptions } from "./sessions.ts";
import { tileOf } from "./tiles.ts";

export interface ConvolutionPlanOptions extends FactsOptions, MeasureOptions {
  /** Pixels. Default: as the model draws. */
  readonly width?: number;
  readonly height?: number;
  readonly convolutions?: SessionsOptions["convolutions"];
  /** Measure every class in every form first, and keep what comes of it for this machine. */
  readonly measure?: boolean;
}

/** How the convolutions of a picture of one size are computed on the CPU, and what that takes. */
export interface ConvolutionPlan {
  readonly model: string;
  readonly width: number;
  readonly height: number;
  readonly machine: Machine;
  /** Where what is measured on this machine is kept; undefined where the user has no cache folder. */
  readonly file: string | undefined;
  readonly networks: readonly NetworkPlan[];
}

export interface NetworkPlan {
  readonly name: string;
  /** How many it computes at once. */
  readonly batch: number;
  readonly lines: readonly PlanLine[];
  /** Bytes that transformed weights take beyond the plain ones, and may take. */
  readonly extraBytes: number;
  readonly budgetBytes: number;
  /** Of all convolutions, as chosen and with the runtime's own kernel alone; measured where all that counts was. */
  readonly seconds: Times;
  readonly directSeconds: Times;
}

/** Layers of one class that are computed in one form. */
export interface PlanLine extends ConvolutionClass {
  readonly layers: number;
  /** One of them, by its path in the checkpoint. */
  readonly example: string;
  readonly form: ConvolutionForm;
  /** Of one layer, by every form that is right for it. */
  readonly seconds: Readonly<Partial<Record<ConvolutionForm, Times>>>;
  /** Multiplications and additions of one layer's direct sum. */
  readonly flops: number;
  /** Of all layers together. */
  readonly extraBytes: number;
}

/** Seconds as the estimate has them, and as they were measured here. */
export interface Times {
  readonly predicted: number;
  readonly measured?: number;
}

/**
 * The plan of a model's U-Net and VAE decoder at a size, from what was measured on this machine or else the estimate.
 * With `measure` that is measured first; what was measured until the signal fires is kept as well.
 *
 * @throws InputError when the model cannot be found or cannot draw that size; what the signal says
 */
export async function convolutionPlan(
  model: string | undefined,
  { width, height, convolutions = {}, measure, threads, signal, onProgress, ...opening }: ConvolutionPlanOptions = {},
): Promise<ConvolutionPlan> {
  const facts = await modelFacts(model, opening);
  const { defaults, scale } = facts;
  const size = checkSize({ width: width ?? defaults.width, height: height ?? defaults.height }, scale);
  const networks = networksOf(facts, size);
  const machine = thisMachine(threads);
  const measurements = measure
    ? await measureAll(networks, machine, { threads, signal, onProgress, ...opening })
    : await readMeasured(machine, opening);
  return {
    model: facts.name,
    ...size,
    machine,
    file: measuredFile(machine, opening.env ?? process.env),
    networks: networks.map((network) => planOf(network, { measured: lookup(measurements), ...convolutions })),
  };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

interface NamedNetwork extends ConvolutionalNetwork {
  readonly name: string;
}

/** The two that a picture of this size mostly waits for, as they are loaded for it. */
function networksOf({ checkpoint, scale }: ModelFacts, { width, height }: Size): NamedNetwork[] {
  const size = { width: width / scale, height: height / scale };
  const decoded = tiledByDefault(size) ? tileOf(size) : size;
  const { unet, vae } = checkpoint;
  const { rest } = unetParts(unetConfig(unet.config, unet.configFile), size);
  return [
    { name: "U-Net", graph: rest, batch: 2, part: unet },
    { name: "VAE decoder", graph: autoencoderOf(vae).decoder(decoded), batch: 1, part: vae },
  ];
}

async function measureAll(
  networks: readonly ConvolutionalNetwork[],
  machine: Machine,
  options: MeasureOptions & OpeningOptions,
): Promise<Measurements> {
  let fresh: Measurements = {};
  try {
    for await (const { about, form, seconds } of measureConvolutions(networks, options)) {
      fresh = merged(fresh, { [nameOfClass(about)]: { [form]: seconds } });
    }
  } catch (error) {
    await keepMeasured(machine, fresh, options);
    throw error;
  }
  return keepMeasured(machine, fresh, options);
}

function planOf(
  { name, graph, batch }: NamedNetwork,
  options: PlanOptions & { readonly measured: Measured },
): NetworkPlan {
  const planned = planConvolutions(graph, { batch, ...options });
  const alike = new Map<string, PlannedConvolution[]>();
  for (const one of planned) {
    const key = `${nameOfClass(one.about)} ${one.form}`;
    alike.set(key, [...(alike.get(key) ?? []), one]);
  }
  const timesOf = (about: ConvolutionClass, form: ConvolutionForm): Times => {
    const measured = options.measured(about, form);
    return { predicted: estimate(about, form), ...(measured !== undefined && { measured }) };
  };
  return {
    name,
    batch,
    lines: [...alike.values()].map((all) => lineOf(all, timesOf)),
    extraBytes: sum(planned.map(({ extraBytes }) => extraBytes)),
    budgetBytes: budgetFor(graph, options),
    seconds: added(planned.map(({ about, form }) => timesOf(about, form))),
    directSeconds: added(planned.map(({ about }) => timesOf(about, "direct"))),
  };
}

function lineOf(
  all: readonly PlannedConvolution[],
  timesOf: (about: ConvolutionClass, form: ConvolutionForm) => Times,
): PlanLine {
  const { about, node, form, extraBytes } = all[0]!;
  return {
    ...about,
    layers: all.length,
    example: node.scope,
    form,
    seconds: Object.fromEntries(formsOf(node).map((one) => [one, timesOf(about, one)])),
    flops: flops(about),
    extraBytes: all.length * extraBytes,
  };
}

/** Measured is a sum whose every part was. */
function added(all: readonly Times[]): Times {
  const measured = all.map((times) => times.measured).filter((seconds) => seconds !== undefined);
  return {
    predicted: sum(all.map(({ predicted }) => predicted)),
    ...(measured.length === all.length && { measured: sum(measured) }),
  };
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);
