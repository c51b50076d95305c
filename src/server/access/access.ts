import type { Context, MiddlewareHandler } from "hono";
import { getCookie } from "hono/cookie";
import { cors } from "hono/cors";
import type { Env } from "../env.ts";
import { ApiError } from "../error.ts";
import { isLoopback, isOwnHost, isOwnOrigin } from "./host.ts";
import type { Keys } from "./keys.ts";
import type { Rate } from "./rate.ts";

/** Who may ask, from where, and how often. */
export interface Access {
  /** Absent where nobody needs one. */
  readonly keys?: Keys;
  /** Names of this server beside localhost and addresses. */
  readonly hosts: readonly string[];
  /** Pages of other servers that may ask: their origins, such as https://example.org. */
  readonly origins: readonly string[];
  readonly rate: Rate;
}

/** The cookie in which a page keeps its key. Scripts cannot read it, and other pages' requests do not bring it. */
export const KEY_COOKIE = "inkling_key";
/** What everybody may ask: whether the server is there, and for the files of the page. */
const GUARDED = /^\/(api|v1|sdapi|metrics|openapi\.json)(\/|$)/;
const OPEN = /^\/api\/session$/;
const SAFE = new Set(["GET", "HEAD", "OPTIONS"]);
/** Tokens of a request that computes or writes, where one that reads takes one. */
const COST = 5;
/** Of a wrong key. */
const WRONG_KEY_COST = 50;

/** Refuses requests that mean another server, or come from a page that may not ask. */
export function originGuard({ hosts, origins }: Access): MiddlewareHandler<Env> {
  const allow = cors({
    origin: [...origins],
    allowHeaders: ["Authorization", "Content-Type", "Idempotency-Key", "Last-Event-ID", "X-Api-Key"],
    exposeHeaders: ["Retry-After"],
    maxAge: 600,
  });
  return async (c, next) => {
    const host = c.req.header("host");
    if (!isOwnHost(host, hosts)) {
      const named = (host ?? "").slice(0, 100);
      throw new ApiError("forbidden", `This server is not called "${named}". --allow-host lets it be.`);
    }
    const origin = c.req.header("origin");
    if (origin === undefined || isOwnOrigin(origin, host)) return next();
    if (origins.includes(origin)) return allow(c, next);
    if (!SAFE.has(c.req.method)) {
      throw new ApiError("forbidden", `Pages of ${origin.slice(0, 100)} may not ask here. --allow-origin lets them.`);
    }
    // Its browser keeps the answer from the page.
    return next();
  };
}

/** Finds out who asks, and whether they may, and not too often. */
export function clientGuard(access: Access): MiddlewareHandler<Env> {
  const { keys } = access;
  return async (c, next) => {
    const address = addressOf(c);
    c.set("client", localClient(c, address));
    if (!GUARDED.test(c.req.path)) return next();
    if (keys && !OPEN.test(c.req.path)) {
      const key = keyOf(c);
      const name = key === undefined ? undefined : keys.nameOf(key);
      if (name === undefined) {
        if (key === undefined) take(address, 1, access);
        else takeForWrongKey(c, access);
        c.header("WWW-Authenticate", 'Bearer realm="inkling"');
        const why = key === undefined ? "This server asks for a key" : "This is no key of this server";
        throw new ApiError("unauthorized", `${why}: send it as "Authorization: Bearer KEY".`);
      }
      c.set("client", name);
    }
    take(c.var.client, SAFE.has(c.req.method) ? 1 : COST, access);
    return next();
  };
}

/** Who tries keys does not try many. */
export function takeForWrongKey(c: Context<Env>, access: Access): void {
  take(addressOf(c), WRONG_KEY_COST, access);
}

function take(client: string, cost: number, { rate }: Access): void {
  const seconds = rate.take(client, cost);
  if (seconds === 0) return;
  const retryAfter = Math.ceil(seconds);
  throw new ApiError("too_many", `Too many requests; ask again in ${retryAfter} s.`, { retryAfter });
}

/** As a bearer's, as OpenAI's and A1111's clients send it, or in the page's cookie. */
function keyOf(c: Context<Env>): string | undefined {
  const authorization = c.req.header("authorization") ?? "";
  const bearer = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  const basic = /^Basic +(\S+)$/i.exec(authorization)?.[1];
  const password =
    basic &&
    Buffer.from(basic, "base64")
      .toString()
      .replace(/^[^:]*:/, "");
  return bearer ?? password ?? c.req.header("x-api-key") ?? getCookie(c, KEY_COOKIE);
}

/** Several programs of one machine may tell themselves apart: they could take turns as they like anyway. */
function localClient(c: Context<Env>, address: string): string {
  const own = c.req.header("x-client") ?? "";
  return isLoopback(address) && /^[\w.-]{1,64}$/.test(own) ? `${address} ${own}` : address;
}

/** Where a request comes from. */
function addressOf(c: Context<Env>): string {
  return c.env?.incoming?.socket.remoteAddress ?? "127.0.0.1";
}
