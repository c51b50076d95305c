import { type Picture, resample } from "../../image/index.ts";
import { below } from "./chance.ts";
import { type Dataset, isSkipped } from "./dataset.ts";

/** How pictures of any size come to the one that a network learns at. */
export interface Fit {
  readonly width: number;
  readonly height: number;
  /** What is cut out of what is left over. Default the middle. */
  readonly crop?: "centre" | "random";
  /** Whether half of them are mirrored, of those whose caption tells no left from right. Default false. */
  readonly flip?: boolean;
  /** How they are resized. Default Lanczos, as diffusers' train_text_to_image does. */
  readonly kernel?: "lanczos" | "bicubic";
}

/** What of a caption would be wrong in a mirror. */
const SIDE = /\b(left|right)(most|wards?)?\b/i;

/** Pixels of a resized picture before it is cropped: a side may be thousands of times as long as the other. */
const MAX_RESIZED = 2 ** 26;

/**
 * `dataset` with every picture at one size: resized until it just covers that, cropped, and mirrored where chance has it,
 * as torchvision's Resize, CenterCrop or RandomCrop and RandomHorizontalFlip do in diffusers' train_text_to_image. Pixels
 * are torchvision's on Pillow pictures, bit for bit. Boxes among the attributes stay those of the whole picture.
 */
export function fitted(dataset: Dataset, fit: Fit): Dataset {
  return {
    name: dataset.name,
    length: dataset.length,
    async at(index, visit = {}) {
      const example = await dataset.at(index, visit);
      if (isSkipped(example)) return example;
      const { width, height } = example.picture;
      const size = covering(example.picture, fit);
      if (size.width * size.height > MAX_RESIZED) {
        const why = `${example.key} of ${width}×${height} is too narrow for a crop of ${fit.width}×${fit.height}.`;
        return { key: example.key, skipped: why };
      }
      const resized = await resample(example.picture, size.width, size.height, fit.kernel ?? "lanczos");
      const random = fit.crop === "random" ? visit.chance : undefined;
      const left = place(size.width - fit.width, random);
      const top = place(size.height - fit.height, random);
      const turned = fit.flip === true && visit.chance !== undefined && visit.chance() < 0.5;
      // Words are not exchanged instead: "the right answer" and "left alone" are no sides.
      const mirrored = turned && !SIDE.test(example.caption);
      return { ...example, picture: cutOut(resized, { ...fit, left, top, mirrored }) };
    },
    async identify(index) {
      const { width, height, crop = "centre", flip = false, kernel = "lanczos" } = fit;
      return `${await dataset.identify(index)} ${width}×${height} ${crop} ${flip} ${kernel}`;
    },
  };
}

interface Size {
  readonly width: number;
  readonly height: number;
}

/** The size at which a picture just covers another: one side is that one's, the other at least, cut to whole pixels. */
function covering(picture: Size, { width, height }: Size): Size {
  return picture.width * height <= picture.height * width
    ? { width, height: Math.floor((width * picture.height) / picture.width) }
    : { width: Math.floor((height * picture.width) / picture.height), height };
}

/** Where a crop begins: anywhere, or in the middle, rounded half to even as Python rounds. */
function place(rest: number, chance: (() => number) | undefined): number {
  if (chance) return below(chance, rest + 1);
  const half = rest / 2;
  return Number.isInteger(half) ? half : 2 * Math.round(half / 2);
}

interface Crop extends Size {
  readonly left: number;
  readonly top: number;
  readonly mirrored: boolean;
}

function cutOut(picture: Picture, { left, top, width, height, mirrored }: Crop): Picture {
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    const from = 3 * ((top + y) * picture.width + left);
    const row = picture.data.subarray(from, from + 3 * width);
    if (!mirrored) data.set(row, 3 * y * width);
    else for (let x = 0; x < width; x++) data.set(row.subarray(3 * x, 3 * x + 3), 3 * (y * width + width - 1 - x));
  }
  return { width, height, data };
}
