import { decodePicture, type Picture } from "../../image/index.ts";
import { ApiError } from "../error.ts";

/** A picture that comes from outside has the pixels of a camera's at most, and so many may wait to be decoded. */
export const UPLOADS = { pixels: 50_000_000, waiting: 16 };

/** The pixels of a picture that comes from outside; `name` is what it is called in errors. */
export type Decode = (bytes: Uint8Array, name: string, background: "black" | "white") => Promise<Picture>;

/**
 * Pictures are decoded one after another, since each may take the memory of `pixels` pixels. Throws an ApiError where `waiting`
 * wait already.
 */
export function createDecoder({ pixels, waiting }: { readonly pixels: number; readonly waiting: number }): Decode {
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;
  return (bytes, name, background) => {
    if (count > waiting) {
      throw new ApiError("too_many", "Too many pictures come at once; ask again in a moment.", { retryAfter: 5 });
    }
    count++;
    const turn = last.then(() => decodePicture(bytes, name, background, pixels)).finally(() => count--);
    last = turn.catch(() => {});
    return turn;
  };
}
