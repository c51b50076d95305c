import { basename } from "node:path";
import type { AdapterLayer, Product } from "../configs/index.ts";
import { InputError, type StoredTensor, toFloat32 } from "../tensor/index.ts";
import { readSafetensors, readTensor } from "./files.ts";

/** The networks that adapters change. */
export type AdaptedPart = "unet" | "text_encoder";

/** An adapter's file, opened: which layers it changes, and where its numbers lie. */
export interface Adapter {
  /** For people: the file's name without ".safetensors". */
  readonly name: string;
  readonly path: string;
  /** How many layers it changes in all. */
  readonly size: number;
  /**
   * What it adds to the layers of one network, by the layer's path ("down_blocks.0.attentions.0.proj_in"). Layers that the
   * network lacks are left out: compare with `size`.
   *
   * @param layers the paths of the network's layers
   */
  layersOf(part: AdaptedPart, layers: Iterable<string>): ReadonlyMap<string, AdapterLayer>;
}

/** How a name of an adapter's file reads: kohya's scripts write paths with underscores for dots. */
const KOHYA = /^lora_(unet|te)_(.+?)\.(.+)$/;
const DOTTED =
  /^(?:base_model\.model\.)?(?:(unet|text_encoder)\.)?(.+)\.(?:(lora_A|lora_B)(?:\.default)?\.weight|lora[._](up|down)\.weight|(alpha))$/;
/** The first layout of diffusers: the projections' adapters belong to the attention's "processor". */
const PROCESSOR = /^(?:unet\.)?(.+)\.processor\.(to_[qkv]|to_out)_lora\.(up|down)\.weight$/;

const LEAVES: Readonly<Record<string, string>> = {
  lora_A: "down",
  lora_B: "up",
  "lora_down.weight": "down",
  "lora_up.weight": "up",
};

/** A layer's tensors under our names for them. */
type Leaves = Map<string, StoredTensor>;

/**
 * Opens a LoRA, LoHa or LoKr in the layouts of peft, of diffusers (both generations) and of kohya's scripts.
 *
 * @throws InputError naming the file: no adapter, of a kind that is not known, or with parts missing
 */
export async function openAdapter(path: string): Promise<Adapter> {
  const { tensors } = await readSafetensors(path);
  const found = new Map<string, { readonly name: string; readonly leaves: Leaves }>();
  for (const [name, stored] of tensors) {
    const place = placeOf(name);
    if (!place) {
      throw new InputError(
        `${path} holds ${JSON.stringify(name)}, which belongs to no adapter that is known: LoRA, LoHa and LoKr for SD 1.x and 2.x are.`,
      );
    }
    const known = found.get(place.key) ?? { name, leaves: new Map() };
    known.leaves.set(place.leaf, stored);
    found.set(place.key, known);
  }
  if (found.size === 0) throw new InputError(`${path} holds no tensors, so it is no adapter.`);
  const layers = new Map<string, AdapterLayer>();
  for (const [key, { name, leaves }] of found) layers.set(key, await layerOf(leaves, `${path}: ${name}`));
  return {
    name: basename(path, ".safetensors"),
    path,
    size: layers.size,
    layersOf(part, paths) {
      const own = [...paths].map((layer) => [layer, layers.get(keyOf(part, layer))] as const);
      return new Map(own.flatMap(([layer, change]) => (change ? [[layer, change] as const] : [])));
    },
  };
}

/** With underscores for dots two paths could look alike; in the published networks none do. */
function keyOf(part: AdaptedPart, layer: string): string {
  return `${part}/${layer.replaceAll(".", "_")}`;
}

function placeOf(name: string): { readonly key: string; readonly leaf: string } | undefined {
  const processor = PROCESSOR.exec(name);
  if (processor) {
    const [, attention, projection, leaf] = processor as unknown as [string, string, string, string];
    return { key: keyOf("unet", `${attention}.${projection === "to_out" ? "to_out.0" : projection}`), leaf };
  }
  const kohya = KOHYA.exec(name);
  if (kohya) {
    const [, part, layer, leaf] = kohya as unknown as [string, string, string, string];
    return { key: keyOf(part === "te" ? "text_encoder" : "unet", layer), leaf: LEAVES[leaf] ?? leaf };
  }
  const dotted = DOTTED.exec(name);
  if (!dotted) return undefined;
  const [, part = "unet", layer, peft, older, alpha] = dotted;
  return { key: keyOf(part as AdaptedPart, layer!), leaf: alpha ?? LEAVES[peft ?? ""] ?? older! };
}

async function layerOf(leaves: Leaves, where: string): Promise<AdapterLayer> {
  const take = (leaf: string): StoredTensor => {
    const stored = leaves.get(leaf);
    if (!stored) throw new InputError(`${where}: the layer's "${leaf}" is missing. Get the file again.`);
    leaves.delete(leaf);
    return stored;
  };
  const product = (leaf: string): Product => {
    const [a, b] = [take(`${leaf}_a`), take(`${leaf}_b`)];
    if (a.shape[1] === b.shape[0]) return { a, b };
    throw new InputError(`${where}: ${leaf}_a [${a.shape}] and ${leaf}_b [${b.shape}] do not multiply.`);
  };
  const wholeOrProduct = (leaf: string) => (leaves.has(leaf) ? take(leaf) : product(leaf));
  const rankOf = (w: StoredTensor | Product) => ("a" in w ? w.b.shape[0]! : undefined);
  const alpha = leaves.has("alpha") ? toFloat32(await readTensor(take("alpha")))[0]! : undefined;
  const factor = (rank: number | undefined) => (alpha === undefined || rank === undefined ? 1 : alpha / rank);

  const layer = ((): AdapterLayer => {
    if (leaves.has("hada_w1_a")) {
      const [w1, w2] = [product("hada_w1"), product("hada_w2")];
      return { kind: "loha", w1, w2, factor: factor(rankOf(w1)) };
    }
    if (leaves.has("lokr_w1") || leaves.has("lokr_w1_a")) {
      const [w1, w2] = [wholeOrProduct("lokr_w1"), wholeOrProduct("lokr_w2")];
      return { kind: "lokr", w1, w2, factor: factor(rankOf(w2) ?? rankOf(w1)) };
    }
    const [down, up] = [take("down"), take("up")];
    if (down.shape[0] !== up.shape[1]) {
      throw new InputError(`${where}: down [${down.shape}] and up [${up.shape}] are not of one rank.`);
    }
    return { kind: "lora", down, up, factor: factor(down.shape[0]) };
  })();
  const [more] = leaves.keys();
  if (more !== undefined) throw new InputError(`${where}: adapters with a "${more}" are not supported.`);
  return layer;
}
