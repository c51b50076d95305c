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
  /** Whether the client has it already: a file never changes under its name. */
  const isKnown = (c: Context<Env>, id: string): boolean => {
    c.header("Cache-Control", "private, max-age=31536000, immutable");
    c.header("ETag", `"${id}"`);
    return c.req.header("if-none-match") === `"${id}"`;
  };

  app.openapi(picture, async (c) => {
    const { id } = c.req.valid("param");
    const item = gallery.get(id);
    if (!item) throw notFound("picture", id);
    if (isKnown(c, id)) return c.body(null, 304) as never;
    const found = await files.pictures.stream(`${item.id}.png`);
    if (!found) throw notFound("picture", id);
    if (c.req.valid("query").download !== undefined) {
      c.header("Content-Disposition", `attachment; filename="${fileName(item.prompt, item.seed)}"`);
    }
    c.header("Content-Type", "image/png");
    if (found.size !== undefined) c.header("Content-Length", String(found.size));
    if (c.req.method !== "HEAD") return c.body(found.body, 200);
    await found.body.cancel();
    return c.body(null, 200);
  });

  app.openapi(thumbnail, async (c) => {
    const { id } = c.req.valid("param");
    const item = gallery.get(id);
    if (!item) throw notFound("picture", id);
    if (isKnown(c, id)) return c.body(null, 304) as never;
    const name = `${item.id}.webp`;
    const send = (bytes: Uint8Array) => c.body(Buffer.from(bytes), 200, { "Content-Type": "image/webp" });
    const kept = await files.thumbnails.read(name);
    if (kept) return send(kept);
    const bytes = await files.pictures.read(`${item.id}.png`);
    if (!bytes) throw notFound("picture", id);
    const small = await makeThumbnail(bytes, SIDE);
    await files.thumbnails.write(name, small);
    return send(small);
  });
};

/** "a-lady-with-blue-eyes-42.png" */
function fileName(prompt: string, seed: number): string {
  const words = prompt.toLowerCase().match(/[a-z0-9]+/g) ?? [];
  const start = words.join("-").slice(0, 60).replace(/-$/, "");
  return `${start || "inkling"}-${seed}.png`;
}
