import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { findSampler, findSchedule } from "../../diffusion/index.ts";
import { parseInfotext, readMetadata } from "../../image/index.ts";
import { readExtra } from "../../pipelines/infotext-extra.ts";
import { defined, InputError } from "../../tensor/index.ts";
import { json, problems } from "../describe.ts";
import type { Env } from "../env.ts";
import { ApiError } from "../error.ts";
import { type DrawRequest, drawRequest } from "../schema/draw.ts";
import { type SettingsFromPicture, settingsFromPicture } from "../schema/words.ts";
import type { Route } from "../services.ts";

const binary = { schema: z.string().openapi({ format: "binary" }) };

const fromPicture = createRoute({
  method: "post",
  path: "/api/settings/from-picture",
  tags: ["settings"],
  summary: "The settings inside a picture's file",
  request: {
    body: {
      required: true,
      content: {
        "image/png": binary,
        "image/jpeg": binary,
        "image/webp": binary,
        "application/octet-stream": binary,
        "multipart/form-data": {
          schema: z.object({ picture: z.any().optional().openapi({ type: "string", format: "binary" }) }),
        },
      },
    },
  },
  responses: { 200: json(settingsFromPicture, "As a request for the same picture"), ...problems },
});

/** Settings out of a picture that this or another program drew. Its pixels are not looked at. */
export const settingsOfPicture: Route = (app, { models }) => {
  app.openapi(fromPicture, async (c) => {
    const bytes = await fileOf(c);
    const { infotext, notes } = readMetadata(bytes, "The picture");
    if (infotext === undefined) throw new ApiError("invalid", "The picture carries no settings.");
    const served = models.list().map(({ name }) => name);
    const found = requestOf(infotext, served);
    return c.json({ ...found, infotext, notes: [...notes, ...found.notes] }, 200);
  });
};

/** The body itself, or the form's field "picture". */
async function fileOf(c: Context<Env>): Promise<Uint8Array> {
  const isForm = c.req.header("content-type")?.startsWith("multipart/form-data");
  if (!isForm) return new Uint8Array(await c.req.arrayBuffer());
  const { picture } = await c.req.parseBody();
  if (picture instanceof File) return new Uint8Array(await picture.arrayBuffer());
  throw new ApiError("invalid", 'The form has no file in its field "picture".', { at: "picture" });
}

/** What an infotext says as far as it can be asked for here, and what cannot. */
export function requestOf(text: string, served: readonly string[]): Pick<SettingsFromPicture, "settings" | "notes"> {
  const { settings: said, fields } = parseInfotext(text);
  const { lost, prediction: _, weights: __, strength, maskBlur: ___, ...extra } = readExtra(fields);
  const { model, modelHash: ____, ...plain } = said;
  const notes: string[] = [];
  const wanted: Record<string, unknown> = defined({ ...plain, ...extra, goal: undefined });
  if (model !== undefined && served.includes(model)) wanted["model"] = model;
  else if (model !== undefined) notes.push(`It was drawn with the model "${model.slice(0, 100)}", which is not here.`);
  if (strength !== undefined) notes.push("It was drawn from another picture, which it does not hold.");
  if (lost.length > 0) notes.push(`What cannot be taken over: ${lost.join(", ")}.`);
  const settings: Partial<DrawRequest> = {};
  for (const [key, value] of Object.entries(wanted)) {
    const read = drawRequest.partial().safeParse({ [key]: value });
    if (read.success && isKnown(key, value)) Object.assign(settings, read.data);
    else notes.push(`Its ${key} cannot be asked for here.`);
  }
  return { settings, notes };
}

/** Whether a name is one of ours. */
function isKnown(key: string, value: unknown): boolean {
  try {
    if (key === "sampler") findSampler(String(value));
    if (key === "schedule") findSchedule(String(value));
    return true;
  } catch (error) {
    if (error instanceof InputError) return false;
    throw error;
  }
}
