import { z } from "zod";

/** What went wrong, as every route of the API says it. */
export const problem = z
  .object({
    error: z.object({
      /** For programs. */
      code: z
        .enum([
          "invalid",
          "unauthorized",
          "forbidden",
          "not_found",
          "conflict",
          "mismatch",
          "too_large",
          "unsupported",
          "too_many",
          "failed",
          "stopping",
          "unavailable",
          "internal",
        ])
        .describe("For programs"),
      message: z.string().describe("For people: what was wrong, where, and what to do"),
      at: z.string().optional().describe("The setting at fault, such as steps or image.base64"),
      retryAfter: z.number().optional().describe("Seconds after which to ask again; also in Retry-After"),
    }),
  })
  .meta({ id: "Problem" });

export type Problem = z.infer<typeof problem>;
export type ProblemCode = Problem["error"]["code"];
