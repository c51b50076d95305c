/**
 * A dimension: a number, or a name such as "batch" that stands for whatever the first feed brings. Names may be
 * carried along and compared, not computed with; what must be computed with has to be a number.
 */
export type Dim = number | string;
export type Shape = readonly Dim[];

/** A shape that does not fit; its message names the operation, where it stands and both shapes. */
export class ShapeError extends Error {
  override name = "ShapeError";
}

export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** `shape[axis]` as a number; negative axes count from the end. */
export function fixed(shape: Shape, axis: number, where: string): number {
  const dim = shape.at(axis);
  if (typeof dim !== "number") {
    throw new ShapeError(`${where}: dimension ${axis} of ${showShape(shape)} must be a known number.`);
  }
  return dim;
}

/** NumPy's broadcasting of two shapes. */
export function broadcast(a: Shape, b: Shape, where: string): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, i) => {
    const p = a.at(i - rank) ?? 1;
    const q = b.at(i - rank) ?? 1;
    if (i - rank < -a.length) return q;
    if (i - rank < -b.length) return p;
    if (p === q || q === 1) return p;
    if (p === 1) return q;
    throw new ShapeError(`${where}: shapes ${showShape(a)} and ${showShape(b)} do not broadcast together.`);
  });
}

/** So many times a dimension: of a name another name, "32·batch", that `reshape` can take apart again. */
export function times(dim: Dim, n: number): Dim {
  if (typeof dim === "number") return dim * n;
  const { size, names } = factors([dim, n]);
  return size === 1 ? names.join("·") : [size, ...names].join("·");
}

/** The product of the known dimensions, and the names of the others in order. */
export function factors(shape: Shape): { size: number; names: string[] } {
  let size = 1;
  const names: string[] = [];
  for (const factor of shape.flatMap((dim) => String(dim).split("·"))) {
    const known = Number(factor);
    if (Number.isNaN(known)) names.push(factor);
    else size *= known;
  }
  return { size, names: names.sort() };
}
