import { createRoute } from "@hono/zod-openapi";
import { deleteCookie, getCookie, setCookie } from "hono/cookie";
import { KEY_COOKIE, takeForWrongKey } from "../access/access.ts";
import { body, json, problems } from "../describe.ts";
import { ApiError } from "../error.ts";
import { session, sessionRequest } from "../schema/session.ts";
import type { Route } from "../services.ts";

const path = "/api/session";
const tags = ["session"];
const get = createRoute({
  method: "get",
  path,
  tags,
  summary: "Whether this browser may ask",
  responses: { 200: json(session, "It may, or needs a key"), ...problems },
});
const post = createRoute({
  method: "post",
  path,
  tags,
  summary: "Give this browser a key",
  request: { body: body(sessionRequest) },
  responses: { 200: json(session, "It is kept in a cookie"), ...problems },
});
const remove = createRoute({
  method: "delete",
  path,
  tags,
  summary: "Forget this browser's key",
  responses: { 204: { description: "It is forgotten" }, ...problems },
});

/** A year: a key holds until its line is deleted. */
const MAX_AGE = 365 * 24 * 3600;

/** Keys for pages, whose pictures and events cannot carry a header. */
export const sessions: Route = (app, { access }) => {
  const { keys } = access;
  app.openapi(get, (c) => {
    const key = getCookie(c, KEY_COOKIE);
    const allowed = !keys || (key !== undefined && keys.nameOf(key) !== undefined);
    return c.json({ keyNeeded: keys !== undefined, allowed }, 200);
  });
  app.openapi(post, (c) => {
    const { key } = c.req.valid("json");
    if (!keys) return c.json({ keyNeeded: false, allowed: true }, 200);
    if (keys.nameOf(key) === undefined) {
      takeForWrongKey(c, access);
      throw new ApiError("unauthorized", "This is no key of this server.");
    }
    const secure = new URL(c.req.url).protocol === "https:" || c.req.header("x-forwarded-proto") === "https";
    setCookie(c, KEY_COOKIE, key, { httpOnly: true, sameSite: "Strict", path: "/", maxAge: MAX_AGE, secure });
    return c.json({ keyNeeded: true, allowed: true }, 200);
  });
  app.openapi(remove, (c) => {
    deleteCookie(c, KEY_COOKIE, { path: "/" });
    return c.body(null, 204);
  });
};
