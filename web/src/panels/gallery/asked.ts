/** What the gallery's address asks for. */
export interface Asked {
  /** Words that have to stand in prompt or settings. */
  readonly search: string | undefined;
  /** Words that describe what is looked for. */
  readonly look: string | undefined;
  /** The id of a picture that others shall be like. */
  readonly like: string | undefined;
  readonly favourite: boolean;
  /** Whether the bin is looked into. */
  readonly deleted: boolean;
  /** The id of the picture that is looked at. */
  readonly picture: string | undefined;
}

export function askedOf(query: URLSearchParams): Asked {
  const text = (key: string): string | undefined => query.get(key) || undefined;
  return {
    search: text("search"),
    look: text("look"),
    like: text("similar"),
    favourite: query.get("favourite") === "true",
    deleted: query.get("deleted") === "true",
    picture: text("picture"),
  };
}

export function queryOf({ search, look, like, favourite, deleted, picture }: Asked): URLSearchParams {
  const given = { search, look, similar: like, favourite, deleted, picture };
  return new URLSearchParams(
    Object.entries(given).flatMap(([key, value]) => (value ? [[key, String(value)] as [string, string]] : [])),
  );
}
