import { InputError } from "../tensor/index.ts";
import type { Problem, ProblemCode } from "./schema/problem.ts";
import { StorageError } from "./store/files.ts";

const STATUS = {
  invalid: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  conflict: 409,
  too_large: 413,
  unsupported: 415,
  mismatch: 422,
  too_many: 429,
  failed: 500,
  internal: 500,
  stopping: 503,
  unavailable: 503,
} as const satisfies Record<ProblemCode, number>;

/** A request that is refused, and how it is told. */
export class ApiError extends Error {
  override readonly name = "ApiError";
  readonly code: ProblemCode;
  /** The setting at fault. */
  readonly at?: string;
  /** Seconds. */
  readonly retryAfter?: number;

  constructor(code: ProblemCode, message: string, more: { at?: string; retryAfter?: number } = {}) {
    super(message);
    this.code = code;
    this.at = more.at;
    this.retryAfter = more.retryAfter;
  }

  get status(): (typeof STATUS)[ProblemCode] {
    return STATUS[this.code];
  }

  get problem(): Problem {
    const { code, message, at, retryAfter } = this;
    return { error: { code, message, ...(at && { at }), ...(retryAfter !== undefined && { retryAfter }) } };
  }
}

/** An error of any kind as a client is told of it: what is not theirs to mend stays in the log. */
export function apiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof StorageError) return new ApiError("unavailable", error.message, { retryAfter: 10 });
  if (error instanceof InputError) return new ApiError("invalid", error.message);
  return new ApiError("internal", "Something went wrong in the server; its log says what.");
}

export function notFound(what: string, id: string): ApiError {
  return new ApiError("not_found", `There is no ${what} "${id.slice(0, 100)}".`);
}
