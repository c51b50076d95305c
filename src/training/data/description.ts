import { InputError } from "../../tensor/index.ts";
import type { Attributes } from "./dataset.ts";

/** What is said of a picture. */
export interface Description {
  /** At least one. */
  readonly captions: readonly string[];
  readonly attributes?: Attributes;
}

/** Files that hold the caption of the picture beside them. */
export const captionFile = /\.(txt|caption)$/i;

/** Files whose names say that they are pictures, whether they can be read here or not. */
export const pictureFile = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif|hei[cf]|jxl)$/i;

/** What the caption is called: by Hugging Face's data sets, by WebDatasets such as LAION's, by collections of prompts. */
const CAPTION_KEYS = ["text", "caption", "prompt"] as const;

/**
 * The caption, or several to choose from, in a JSON object; what else it holds are attributes.
 *
 * @param spare said where the object says nothing
 * @throws InputError naming `where`, when there is nothing to say
 */
export function describedIn(object: Attributes, where: string, spare: string | undefined): Description {
  const key = CAPTION_KEYS.find((each) => object[each] !== undefined && object[each] !== null);
  const { [key ?? ""]: said = [], ...attributes } = object;
  const captions = (Array.isArray(said) ? said : [said]) as unknown[];
  if (!captions.every((caption) => typeof caption === "string")) {
    throw new InputError(`${where}: its "${key}" is neither a text nor a list of texts.`);
  }
  const told = captions.map(tidy).filter((caption) => caption !== "");
  if (told.length === 0 && spare === undefined) throw new InputError(`${where} has no caption.`);
  return {
    captions: told.length > 0 ? told : [spare!],
    ...(Object.keys(attributes).length > 0 && { attributes }),
  };
}

/**
 * The caption in a text file; its lines are joined.
 *
 * @throws InputError naming `where`, when it is not UTF-8
 */
export function captionOf(bytes: Uint8Array, where: string): string {
  try {
    return tidy(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch {
    throw new InputError(`${where} is not UTF-8. Save it as that.`);
  }
}

/**
 * A JSON object in text.
 *
 * @throws InputError naming `where`, when it is something else
 */
export function objectOf(text: string, where: string): Attributes {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new InputError(`${where} is no JSON: ${(error as Error).message}.`);
  }
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Attributes;
  throw new InputError(`${where} is no JSON object.`);
}

const tidy = (text: string): string => text.replace(/\s+/g, " ").trim();
