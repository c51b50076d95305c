import { basename } from "node:path";
import { type DType, float32, InputError, type StoredTensor, type Tensor, toFloat32 } from "../tensor/index.ts";
import { hashFiles } from "./checkpoint.ts";
import { readSafetensors, readTensor } from "./files.ts";

/** A word that was learnt by textual inversion (Gal et al. 2022): what stands for it in the text encoder. */
export interface StoredPseudoWord {
  readonly name: string;
  /** [N, C] */
  readonly vectors: Tensor<"float32">;
  /** SHA-256 of the file, 64 hexadecimal digits. */
  readonly hash: string;
}

/** What a word must agree with. */
export interface PseudoWordLimits {
  /** The model, for messages. */
  readonly model: string;
  /** C, numbers of a vector. */
  readonly width: number;
  /** Vectors that fit into one row. */
  readonly most: number;
}

/** The tensor of A1111's layout, which names no word: the file does. */
const A1111 = "emb_params";
const FLOATS: ReadonlySet<DType> = new Set(["float16", "bfloat16", "float32", "float64"]);

/**
 * Opens an embedding in A1111's layout (`emb_params`) or in diffusers', where the tensor is named by its word.
 *
 * @param name what it is called in prompts. Default: the tensor's name; in A1111's layout the file's, without its extension
 * @throws InputError naming the file: no embedding, for another kind of model, not finite
 */
export async function openPseudoWord(
  path: string,
  name: string | undefined,
  limits: PseudoWordLimits,
): Promise<StoredPseudoWord> {
  const { tensors } = await readSafetensors(path);
  const [[own, stored] = [], ...more] = [...tensors];
  if (!own || !stored) throw new InputError(`${path} holds no tensors, so it is no embedding.`);
  if (tensors.has("clip_g")) {
    throw new InputError(
      `${path} is an embedding for SDXL, with vectors for two text encoders: SD 1.x and 2.x have one.`,
    );
  }
  if (more.length > 0) {
    throw new InputError(
      `${path} holds ${tensors.size} tensors, so it is no embedding: one holds a single tensor, "${A1111}" or named by its word.`,
    );
  }
  const shape = shapeOf(stored, own, path, limits);
  const word = (name ?? (own === A1111 ? basename(path, ".safetensors") : own)).trim();
  if (word === "") throw new InputError(`${path} needs a name to be called by in prompts.`);
  const vectors = float32(shape, toFloat32(await readTensor(stored)));
  if (!vectors.data.every(Number.isFinite)) {
    throw new InputError(`${path}: "${own}" holds numbers that are not finite. Get the file again.`);
  }
  return { name: word, vectors, hash: await hashFiles([stored.file]) };
}

function shapeOf(
  { shape, dtype }: StoredTensor,
  own: string,
  path: string,
  { model, width, most }: PseudoWordLimits,
): [number, number] {
  const [count, numbers] = shape.length === 1 ? [1, shape[0]!] : (shape as [number, number]);
  if (shape.length === 0 || shape.length > 2 || count === 0 || !FLOATS.has(dtype)) {
    throw new InputError(`${path} is no embedding: its "${own}" is ${dtype} of shape [${shape}], not a few vectors.`);
  }
  if (numbers !== width) {
    throw new InputError(
      `${path} holds vectors of ${numbers} numbers, and the text encoder of ${model} has ${width}: it was made for another model.`,
    );
  }
  if (count > most) {
    throw new InputError(`${path} holds ${count} vectors, and a row of the text encoder has room for ${most}.`);
  }
  return [count, width];
}
