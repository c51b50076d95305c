/** The API's shapes: zod schemas for the server, types for it and the page. Nothing here needs Node. */
export * from "./draw.ts";
export * from "./events.ts";
export * from "./explain.ts";
export * from "./gallery.ts";
export * from "./job.ts";
export * from "./options.ts";
export * from "./problem.ts";
export * from "./session.ts";
export * from "./words.ts";
