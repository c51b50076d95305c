import type { InitPicture } from "../../state/draft.svelte.ts";

/**
 * A file of this machine as a picture to start from.
 *
 * @param most bytes of a request
 * @throws RangeError where the server would not take it
 */
export async function initPictureOf(file: File, most = Number.POSITIVE_INFINITY): Promise<InitPicture> {
  // Base64 writes three bytes as four letters; the rest of the request takes some as well.
  if ((file.size * 4) / 3 > most - 65_536) throw new RangeError("too large");
  const url = await new Promise<string>((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
  return { source: { base64: url.slice(url.indexOf(",") + 1) }, url };
}
