import { readPicture } from "../image/source.ts";
import type { ReadExtra } from "../pipelines/infotext-extra.ts";
import type { GenerateSettings } from "../pipelines/settings.ts";
import { UsageError } from "./errors.ts";
import type { DrawingOptions } from "./options.ts";

/** What a picture starts from. */
export type Start = Pick<GenerateSettings, "image" | "mask" | "strength" | "maskBlur">;

/**
 * The pictures of `--init` and `--mask`, decoded, and how to start from them; what the `--from` picture says of that comes
 * first, flags win.
 *
 * @throws UsageError for flags that mean nothing without another one; InputError for what is no picture
 */
export async function startOf(
  options: DrawingOptions,
  from: Pick<ReadExtra, "strength" | "maskBlur"> = {},
): Promise<Start> {
  const { init, mask, strength, maskBlur } = options;
  if (init === undefined) {
    const alone = Object.entries({ mask, strength, "mask-blur": maskBlur }).find(([, value]) => value !== undefined);
    if (!alone) return {};
    throw new UsageError(`--${alone[0]} needs a picture to start from: give it with --init`);
  }
  if (maskBlur !== undefined && mask === undefined)
    throw new UsageError("--mask-blur needs a mask: give it with --mask");
  return {
    image: await readPicture(init),
    strength: strength ?? from.strength,
    ...(mask !== undefined && {
      mask: await readPicture(mask, { background: "black" }),
      maskBlur: maskBlur ?? from.maskBlur,
    }),
  };
}

/** What the `--from` picture started from and nobody gave, in words. */
export function missingStart(from: Pick<ReadExtra, "strength" | "maskBlur">, { init, mask }: DrawingOptions) {
  const masked = from.maskBlur !== undefined && mask === undefined;
  if (from.strength !== undefined && init === undefined) {
    return `another picture, which it does not hold: give that with --init${masked ? " and its mask with --mask" : ""}`;
  }
  return masked && init !== undefined
    ? "a picture with a mask, which it does not hold: give that with --mask"
    : undefined;
}
