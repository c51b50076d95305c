import { encodePicture } from "../../image/index.ts";
import type { Decode } from "../jobs/decoder.ts";

/**
 * OpenAI's mask as ours: white where a picture is wholly transparent, as a PNG. Laid over white and over black, a picture
 * differs by what shines through.
 *
 * @param name for people
 * @returns undefined where nothing of it is transparent
 * @throws InputError where it cannot be decoded
 */
export async function maskOf(bytes: Uint8Array, name: string, decode: Decode): Promise<Uint8Array | undefined> {
  const over = await decode(bytes, name, "white");
  const under = await decode(bytes, name, "black");
  const data = over.data.map((value, i) => (value - under.data[i]! === 255 ? 255 : 0));
  return data.includes(255) ? encodePicture({ ...over, data }, "png") : undefined;
}
