import { a1111Problem } from "./a1111/problem.ts";
import type { ApiError } from "./error.ts";
import { openAiProblem } from "./openai/problem.ts";

/** An error in the shape, and with the status and headers, that the clients of a path expect. */
export function shapeProblem(path: string, error: ApiError) {
  if (path.startsWith("/v1/")) {
    const isModel = error.code === "invalid" && error.at === "model";
    // OpenAI's clients ask again by themselves after 409 and 500: what failed would be drawn again and again.
    const isFinal = error.code === "failed" || error.code === "conflict";
    return {
      body: openAiProblem(error),
      status: isModel ? (404 as const) : error.status,
      headers: isFinal ? { "x-should-retry": "false" } : undefined,
    };
  }
  if (path.startsWith("/sdapi/")) {
    // FastAPI's status for what it cannot take.
    return { body: a1111Problem(error), status: error.code === "invalid" ? (422 as const) : error.status };
  }
  return { body: error.problem, status: error.status };
}
