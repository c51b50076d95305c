import { resolveModel } from "../hub/index.ts";
import { clipCapConfig, clipCapPrefix } from "../models/index.ts";
import type { Runtime } from "../runtime/index.ts";
import { float32, InputError, type Tensor } from "../tensor/index.ts";
import { findNonFinite, openCaptionerFolder } from "../weights/index.ts";
import { type LanguageModel, type LanguageModelOptions, openGpt2 } from "./language-model.ts";
import { createSessions, type Network } from "./sessions.ts";

/** A captioner's networks: one makes embeddings of a picture, and a GPT-2 goes on from them. */
export interface ClipCap extends LanguageModel {
  /** Values of a picture's embedding. */
  readonly pictureWidth: number;
  /** Tokens that a caption has room for, its start and its end included. */
  readonly room: number;
  /** CLIP's embedding of a picture, of length 1 → [1, N, C], to be handed to `read`. */
  prefix(embedding: Float32Array, signal?: AbortSignal): Promise<Tensor<"float32">>;
}

/**
 * Opens a captioner.
 *
 * @param model a name of kind "captioner" (see `resolveModel`) or a folder; the embedded one where it is left out
 * @throws InputError when it cannot be found or its files are damaged
 */
export async function openClipCap(
  model: string | undefined,
  runtime: Runtime,
  options: LanguageModelOptions = {},
): Promise<ClipCap> {
  const { name, path } = await resolveModel(model, options.env ?? process.env, "captioner");
  const { gpt2, prefix, hidden, tokenizerFolder } = await openCaptionerFolder(path);
  const config = clipCapConfig(gpt2.config, gpt2.configFile);
  const writer = await openGpt2({ name, part: gpt2, tokenizerFolder, prefixed: true }, runtime, options);
  const { n_positions: positions, n_embd: channels } = writer.config;
  const room = positions - config.tokens;
  if (room < 2) {
    throw new InputError(
      `${gpt2.configFile}: a prefix of ${config.tokens} leaves no room for a caption in ${positions} positions (n_positions).`,
    );
  }
  const sessions = createSessions(runtime, { onNote: options.onNote, findNonFinite });
  const build = () => clipCapPrefix(config, { hidden, channels });
  const mapping: Network = { name: "prefix network", variant: "", part: prefix, build };
  await sessions.open(mapping, options.signal);
  return {
    ...writer,
    pictureWidth: config.clip_dim,
    room,
    async prefix(embedding, signal) {
      const outputs = await sessions.run(mapping, { image_embeds: float32([1, embedding.length], embedding) }, signal);
      return sessions.finite(outputs["prefix"], mapping);
    },
    async close() {
      await writer.close();
      await sessions.release();
    },
  };
}
