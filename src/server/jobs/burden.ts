import { readPrompt } from "../../text/index.ts";
import { ApiError } from "../error.ts";
import { type DrawnSettings, MAX_PICTURES } from "../schema/draw.ts";

/** Prompts that AND may join: the U-Net is called for each in every step. */
const MAX_PARTS = 16;
/** Texts that a prompt may go through on its way: each is encoded. */
const MAX_TEXTS = 200;

/**
 * Refuses what one request must not ask of everybody's machine: short texts can mean long work.
 *
 * @throws ApiError naming the setting
 */
export function checkBurden(settings: DrawnSettings): void {
  const { count, bestOf = 1, steps, promptSyntax } = settings;
  const refuse = (message: string, at: string): never => {
    throw new ApiError("invalid", message, { at });
  };
  if (count * bestOf > MAX_PICTURES) {
    refuse(`${count} pictures of ${bestOf} candidates each are too many: ${MAX_PICTURES} in all.`, "count");
  }
  if (promptSyntax === "plain") return;
  for (const at of ["prompt", "negativePrompt"] as const) {
    const parts = readPrompt(settings[at], { steps, composition: at === "prompt" });
    if (parts.length > MAX_PARTS) {
      refuse(`AND joins ${parts.length} prompts; ${MAX_PARTS} are drawn together at most.`, at);
    }
    const texts = parts.reduce((sum, { stages }) => sum + new Set(stages.map(({ text }) => text)).size, 0);
    if (texts > MAX_TEXTS) refuse(`The ${at} becomes ${texts} texts on its way; ${MAX_TEXTS} are encoded at most.`, at);
  }
}
