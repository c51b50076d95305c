import type { Problem } from "../../../src/server/schema/index.ts";

/** What the server refuses, in its words; where it cannot be reached, with the code "offline". */
export class ApiError extends Error {
  readonly code: Problem["error"]["code"] | "offline";
  /** The setting at fault. */
  readonly at: string | undefined;
  readonly retryAfter: number | undefined;

  constructor({ code, message, at, retryAfter }: { code: ApiError["code"] } & Omit<Problem["error"], "code">) {
    super(message);
    this.code = code;
    this.at = at;
    this.retryAfter = retryAfter;
  }
}

export interface Call {
  readonly method?: string;
  readonly json?: unknown;
  readonly body?: BodyInit;
  readonly headers?: Readonly<Record<string, string>>;
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly signal?: AbortSignal | undefined;
}

export type Send = (path: string, call?: Call) => Promise<Response>;

/** Asks the server. What it gives throws an {@link ApiError} unless the answer is a good one. */
export function sender(fetch: typeof globalThis.fetch): Send {
  return async (path, { method, json, body, headers, query, signal } = {}) => {
    const given = Object.entries(query ?? {}).filter(([, value]) => value !== undefined && value !== "");
    const search = given.length > 0 ? `?${new URLSearchParams(given.map(([key, value]) => [key, String(value)]))}` : "";
    const answer = await fetch(path + search, {
      method: method ?? (json === undefined && body === undefined ? "GET" : "POST"),
      headers: { ...(json === undefined ? {} : { "content-type": "application/json" }), ...headers },
      body: json === undefined ? (body ?? null) : JSON.stringify(json),
      signal: signal ?? null,
    }).catch((error: unknown) => {
      if (signal?.aborted) throw signal.reason;
      throw new ApiError({ code: "offline", message: error instanceof Error ? error.message : String(error) });
    });
    if (answer.ok) return answer;
    const told = (await answer.json().catch(() => undefined)) as Problem | undefined;
    throw new ApiError(told?.error ?? { code: "internal", message: `${answer.status} ${answer.statusText}` });
  };
}
