import type { ApiError } from "../error.ts";
import type { ProblemCode } from "../schema/problem.ts";

/** What went wrong, as OpenAI says it. */
export interface OpenAiProblem {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string | null;
  };
}

const WORDS: Readonly<Record<ProblemCode, readonly [type: string, code: string | null]>> = {
  invalid: ["invalid_request_error", "invalid_value"],
  unauthorized: ["invalid_request_error", "invalid_api_key"],
  forbidden: ["permission_error", "forbidden"],
  not_found: ["invalid_request_error", "not_found"],
  conflict: ["invalid_request_error", "cancelled"],
  mismatch: ["idempotency_error", "idempotency_key_reused"],
  too_large: ["invalid_request_error", "request_too_large"],
  unsupported: ["invalid_request_error", "unsupported_media_type"],
  too_many: ["requests", "rate_limit_exceeded"],
  failed: ["server_error", "failed"],
  stopping: ["server_error", "server_stopping"],
  unavailable: ["server_error", "storage_unavailable"],
  internal: ["server_error", null],
};

/** Our settings in OpenAI's words. */
export const PARAMS: Readonly<Record<string, string>> = {
  count: "n",
  width: "size",
  height: "size",
  negativePrompt: "negative_prompt",
};

/** An error in OpenAI's shape. */
export function openAiProblem({ code: kind, message, at }: ApiError): OpenAiProblem {
  const [type, code] = WORDS[kind];
  const param = at === undefined ? null : (PARAMS[at] ?? at);
  return { error: { message, type, param, code: param === "model" ? "model_not_found" : code } };
}
