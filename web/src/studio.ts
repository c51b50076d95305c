import { createContext } from "svelte";
import type { Api } from "./api/api.ts";
import type { I18n } from "./i18n/i18n.ts";
import type { Router } from "./router.svelte.ts";
import type { Draft } from "./state/draft.svelte.ts";
import type { Facts } from "./state/facts.svelte.ts";
import type { Jobs } from "./state/jobs.svelte.ts";
import type { Keys } from "./state/keys.svelte.ts";
import type { Pictures } from "./state/pictures.svelte.ts";
import type { Sheet } from "./state/sheet.svelte.ts";
import type { Theme } from "./state/theme.svelte.ts";
import type { Toasts } from "./state/toasts.svelte.ts";

/** What every component may reach: `const { api, t } = studio()`. */
export interface Studio extends Omit<I18n, "code"> {
  readonly api: Api;
  readonly router: Router;
  readonly facts: Facts;
  readonly draft: Draft;
  readonly jobs: Jobs;
  readonly pictures: Pictures;
  readonly sheet: Sheet;
  readonly keys: Keys;
  readonly theme: Theme;
  readonly toasts: Toasts;
}

export const [studio, provideStudio] = createContext<Studio>();
