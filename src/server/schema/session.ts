import { z } from "zod";

/** GET /api/session: whether this browser may ask. POST gives it a key, which it keeps in a cookie that no script can read. */
export const session = z
  .object({
    keyNeeded: z.boolean(),
    allowed: z.boolean().describe("This browser has a key, or needs none"),
  })
  .meta({ id: "Session" });
export type Session = z.infer<typeof session>;

export const sessionRequest = z.strictObject({ key: z.string().min(1).max(200) }).meta({ id: "SessionRequest" });
export type SessionRequest = z.infer<typeof sessionRequest>;
