import { createRoute, z } from "@hono/zod-openapi";
import type { Context } from "hono";
import { thumbnail as makeThumbnail } from "../../image/index.ts";
import { idParam, problems } from "../describe.ts";
import type { Env } from "../env.ts";
import { notFound } from "../error.ts";
import type { Route } from "../services.ts";

/** Pixels of a thumbnail's longer side: sharp at twice the density of a gallery's tiles. */
const SIDE = 384;

const file = (description: string, type: string) => ({
  description,
  content: { [type]: { schema: z.string().openapi({ format: "binary" }) } },
});

const picture = createRoute({
  method: "get",
  path: "/api/pictures/{id}",
  tags: ["gallery"],
  summary: "The file itself, with its settings inside",
  request: { params: idParam, query: z.object({ download: z.string().optional() }) },
  responses: { 200: file("A PNG", "image/png"), ...problems },
});

const thumbnail = createRoute({
  method: "get",
  path: "/api/pictures/{id}/thumbnail",
  tags: ["gallery"],
  summary: "The picture small",
  request: { params: idParam },
  responses: { 200: file("A WebP", "image/webp"), ...problems },
});

/** The files of the gallery. */
export const pictures: Route = (app, { gallery, files }) => {
  /** A file never changes under its name. */
  const send = (c: Context<Env>, id: string, bytes: Uint8Array, type: string) => {
    c.header("Cache-Control", "private, max-age=31536000, immutable");
    c.header("ETag", `"${id}"`);
    if (c.req.header("if-none-match") === `"${id}"`) return c.body(null, 304) as never;
    c.header("Content-Type", type);
    return c.body(Buffer.from(bytes), 200);
  };

  app.openapi(picture, async (c) => {
    const { id } = c.req.valid("param");
    const item = gallery.get(id);
    const bytes = item && (await files.pictures.read(`${item.id}.png`));
    if (!bytes) throw notFound("picture", id);
    if (c.req.valid("query").download !== undefined) {
      c.header("Content-Disposition", `attachment; filename="${fileName(item.prompt, item.seed)}"`);
    }
    return send(c, id, bytes, "image/png");
  });

  app.openapi(thumbnail, async (c) => {
    const { id } = c.req.valid("param");
    const item = gallery.get(id);
    if (!item) throw notFound("picture", id);
    const name = `${item.id}.webp`;
    const kept = await files.thumbnails.read(name);
    if (kept) return send(c, id, kept, "image/webp");
    const bytes = await files.pictures.read(`${item.id}.png`);
    if (!bytes) throw notFound("picture", id);
    const small = await makeThumbnail(bytes, SIDE);
    await files.thumbnails.write(name, small);
    return send(c, id, small, "image/webp");
  });
};

/** "a-lady-with-blue-eyes-42.png" */
function fileName(prompt: string, seed: number): string {
  const words = prompt.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const start = words.join("-").slice(0, 60).replace(/-$/, "");
  return `${start || "inkling"}-${seed}.png`;
}
