/** What of `settings` is given, so that what was left open does not hide what lies below it. */
export function defined<T extends object>(settings: T): Partial<T> {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined)) as Partial<T>;
}
