import { createRoute, z } from "@hono/zod-openapi";
import { body, idParam, json, problems } from "../describe.ts";
import { ApiError, notFound } from "../error.ts";
import { type GalleryItem, galleryItem, galleryPage, galleryPatch, galleryQuery } from "../schema/gallery.ts";
import type { Route } from "../services.ts";
import { rankBySimilarity } from "../similarity.ts";
import { removeDoomed } from "../store/sweep.ts";

const tags = ["gallery"];
const one = { params: idParam };

const list = createRoute({
  method: "get",
  path: "/api/gallery",
  tags,
  summary: "Finished pictures",
  request: { query: galleryQuery },
  responses: { 200: json(galleryPage, "A page of them"), ...problems },
});

const info = createRoute({
  method: "get",
  path: "/api/pictures/{id}/info",
  tags,
  summary: "What is known of a picture",
  request: one,
  responses: { 200: json(galleryItem, "The picture"), ...problems },
});

const patch = createRoute({
  method: "patch",
  path: "/api/pictures/{id}",
  tags,
  summary: "Make it a favourite, or none any more",
  request: { ...one, body: body(galleryPatch) },
  responses: { 200: json(galleryItem, "The picture"), ...problems },
});

const remove = createRoute({
  method: "delete",
  path: "/api/pictures/{id}",
  tags,
  summary: "Put it into the bin; what lies there can be deleted for good",
  request: { ...one, query: z.object({ forever: z.enum(["true", "false"]).optional() }) },
  responses: { 200: json(galleryItem, "It is in the bin"), 204: { description: "It is gone" }, ...problems },
});

const restore = createRoute({
  method: "post",
  path: "/api/pictures/{id}/restore",
  tags,
  summary: "Take it out of the bin",
  request: one,
  responses: { 200: json(galleryItem, "The picture"), ...problems },
});

/** The gallery: what was drawn, and what people think of it. */
export const gallery: Route = (app, services) => {
  const { gallery: kept, files, log } = services;
  const find = (id: string): GalleryItem => {
    const item = kept.get(id);
    if (item) return item;
    throw notFound("picture", id);
  };

  app.openapi(list, async (c) => {
    const { search, similar, before, limit = 50, ...flags } = c.req.valid("query");
    const filter = { search, favourite: flags.favourite === "true", deleted: flags.deleted === "true" };
    if (before !== undefined) find(before);
    if (similar === undefined) {
      const found = kept.list({ ...filter, before, limit: limit + 1 });
      const pictures = found.slice(0, limit);
      return c.json({ pictures, next: found.length > limit ? pictures.at(-1)!.id : null }, 200);
    }
    const ranked = await rankBySimilarity(similar, filter, services, c.req.raw.signal);
    const from = before === undefined ? 0 : ranked.findIndex(({ id }) => id === before) + 1;
    const pictures = ranked.slice(from, from + limit);
    return c.json({ pictures, next: ranked.length > from + limit ? pictures.at(-1)!.id : null }, 200);
  });
  app.openapi(info, (c) => c.json(find(c.req.valid("param").id), 200));
  app.openapi(patch, (c) => {
    const { id } = find(c.req.valid("param").id);
    kept.setFavourite(id, c.req.valid("json").favourite);
    return c.json(find(id), 200);
  });
  app.openapi(remove, async (c) => {
    const item = find(c.req.valid("param").id);
    if (c.req.valid("query").forever !== "true") {
      if (!item.deleted) kept.setDeleted(item.id, services.now().toISOString());
      return c.json(find(item.id), 200);
    }
    if (!item.deleted)
      throw new ApiError("conflict", "Only what is in the bin is deleted for good: put it there first.");
    kept.doom(item.id);
    await removeDoomed([item.id], { gallery: kept, ...files, log });
    return c.body(null, 204);
  });
  app.openapi(restore, (c) => {
    const { id } = find(c.req.valid("param").id);
    kept.setDeleted(id, null);
    return c.json(find(id), 200);
  });
};
