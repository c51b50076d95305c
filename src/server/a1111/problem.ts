import type { ApiError } from "../error.ts";

/** What went wrong, as A1111 says it. */
export interface A1111Problem {
  readonly error: string;
  readonly detail: string;
  readonly body: string;
  readonly errors: string;
}

/** An error in A1111's shape; `detail` is what its clients show. */
export function a1111Problem({ code, message }: ApiError): A1111Problem {
  return { error: code, detail: message, body: "", errors: message };
}
