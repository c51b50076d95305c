import { unet, unetConfig } from "../models/index.ts";
import type { OpenModel } from "../pipelines/inkling.ts";
import { sizeOf } from "../tensor/index.ts";

/** What a part of the U-Net does. */
export type UnetPartKind = "convolution" | "resnet" | "attention" | "down" | "up";

/** A part of the U-Net, as it is drawn. */
export interface UnetPart {
  /** In the checkpoint's own words: "down_blocks.0.resnets.1". */
  readonly path: string;
  readonly kind: UnetPartKind;
  readonly side: "down" | "middle" | "up";
  /** How often the picture has been halved when it is done: 0 at the top. */
  readonly level: number;
  /** What it gives: [channels, height, width]. */
  readonly shape: readonly [number, number, number];
  /** Numbers that were learnt. */
  readonly weights: number;
}

export interface UnetDrawing {
  readonly latent: readonly [number, number, number];
  /** Tokens of a row, and numbers that stand for each. */
  readonly words: readonly [number, number];
  readonly parts: readonly UnetPart[];
  /** All of them, and the timestep's besides. */
  readonly weights: number;
}

const KINDS: readonly (readonly [RegExp, UnetPartKind])[] = [
  [/^conv_(in|out)$/, "convolution"],
  [/\.resnets\.\d+$/, "resnet"],
  [/\.attentions\.\d+$/, "attention"],
  [/\.downsamplers\.0$/, "down"],
  [/\.upsamplers\.0$/, "up"],
];

/** The U-Net's parts in the order in which they are computed, for a picture of the model's usual size: read off its graph. */
export function unetDrawing({ facts, tokenizer }: Pick<OpenModel, "facts" | "tokenizer">): UnetDrawing {
  const { defaults, scale, checkpoint, inputChannels } = facts;
  const config = unetConfig(checkpoint.unet.config, checkpoint.unet.configFile);
  const [height, width] = [defaults.height / scale, defaults.width / scale];
  const graph = unet(config, { height, width });
  const counted = [...graph.parameters].map(([name, { shape }]) => [name, sizeOf(shape as number[])] as const);
  const weightsOf = (path: string): number =>
    counted.reduce((sum, [name, count]) => sum + (name.startsWith(`${path}.`) ? count : 0), 0);
  const parts = [...graph.scopes].flatMap(([path, value]): UnetPart[] => {
    const kind = KINDS.find(([pattern]) => pattern.test(path))?.[1];
    if (!kind) return [];
    const [, ...shape] = value.shape as [unknown, number, number, number];
    const level = Math.round(Math.log2(width / shape[2]));
    const side = /^(up_|conv_out)/.test(path) ? "up" : path.startsWith("mid_") ? "middle" : "down";
    return [{ path, kind, side, level, shape, weights: weightsOf(path) }];
  });
  return {
    latent: [inputChannels, height, width],
    words: [tokenizer.maxLength, config.cross_attention_dim],
    parts,
    weights: counted.reduce((sum, [, count]) => sum + count, 0),
  };
}
