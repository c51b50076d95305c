import { z } from "@hono/zod-openapi";
import { problem } from "./schema/problem.ts";

/** The id of a job or a picture in a path. */
export const idParam = z.object({
  id: z
    .string()
    .max(100)
    .openapi({ param: { name: "id", in: "path" } }),
});

/** An answer as JSON. */
export function json<T extends z.ZodType>(schema: T, description: string) {
  return { description, content: { "application/json": { schema } } };
}

/** A body of JSON, which has to be there. */
export function body<T extends z.ZodType>(schema: T) {
  return { required: true, content: { "application/json": { schema } } };
}

/** What every route may answer beside what it is for. */
export const problems = {
  default: json(problem, "What went wrong"),
};
