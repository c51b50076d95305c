import { en } from "./en.ts";

type English = typeof en;
/** What a message is asked for by. */
export type MessageKey = keyof English | Counted;
/** A message with one form for each plural of the language: `key.one`, `key.other` …; `count` chooses. */
type Counted = keyof English extends infer Key ? (Key extends `${infer Base}.other` ? Base : never) : never;
type Plural = "zero" | "one" | "two" | "few" | "many";
/** A language: every message of English, and those plurals that English does not have. */
export type Messages = Readonly<Record<keyof English, string> & Partial<Record<`${Counted}.${Plural}`, string>>>;

export interface Language {
  readonly code: string;
  /** Its name in itself. */
  readonly name: string;
  load(): Promise<Messages>;
}

/** One file a language, one line here. */
export const LANGUAGES: readonly Language[] = [{ code: "en", name: "English", load: async () => en }];

export type Values = Readonly<Record<string, string | number>>;
export type Translate = (key: MessageKey, values?: Values) => string;

export interface I18n {
  readonly code: string;
  readonly t: Translate;
  number(value: number, options?: Intl.NumberFormatOptions): string;
  date(value: number | string): string;
}

/** The first of the languages that a person prefers which there is, else English. */
export async function openLanguage(preferred: readonly string[]): Promise<I18n> {
  const codes = preferred.map((code) => code.toLowerCase().split("-")[0]);
  const language =
    codes.map((code) => LANGUAGES.find((each) => each.code === code)).find((found) => found) ?? LANGUAGES[0]!;
  return inLanguage(language.code, await language.load());
}

export function inLanguage(code: string, messages: Messages): I18n {
  const plurals = new Intl.PluralRules(code);
  const number = (value: number, options?: Intl.NumberFormatOptions): string =>
    new Intl.NumberFormat(code, options).format(value);
  const dates = new Intl.DateTimeFormat(code, { dateStyle: "medium", timeStyle: "short" });
  const told = messages as Readonly<Record<string, string>>;
  const form = (key: string, count: unknown): string =>
    told[key] ??
    (typeof count === "number" ? told[`${key}.${plurals.select(count)}`] : undefined) ??
    told[`${key}.other`] ??
    key;
  const t: Translate = (key, values = {}) =>
    form(key, values["count"]).replace(/\{(\w+)\}/g, (whole, name: string) => {
      const value = values[name];
      return value === undefined ? whole : typeof value === "number" ? number(value) : value;
    });
  return { code, t, number, date: (value) => dates.format(new Date(value)) };
}
