import "./theme/base.css";
import "./theme/controls.css";
import { mount } from "svelte";
import App from "./App.svelte";
import { openApi } from "./api/api.ts";
import { openLanguage } from "./i18n/i18n.ts";
import { Router } from "./router.svelte.ts";
import { Draft } from "./state/draft.svelte.ts";
import { Facts } from "./state/facts.svelte.ts";
import { Jobs } from "./state/jobs.svelte.ts";
import { Keys } from "./state/keys.svelte.ts";
import { Pictures } from "./state/pictures.svelte.ts";
import { Sheet } from "./state/sheet.svelte.ts";
import { Theme } from "./state/theme.svelte.ts";
import { Toasts } from "./state/toasts.svelte.ts";
import type { Studio } from "./studio.ts";

const { code, ...i18n } = await openLanguage(navigator.languages);
document.documentElement.lang = code;
const api = openApi((...call) => fetch(...call), EventSource);
const jobs = new Jobs(api, i18n.t("app.lost"));
const studio: Studio = {
  ...i18n,
  api,
  router: new Router(window),
  facts: new Facts(api),
  draft: new Draft(),
  jobs,
  sheet: new Sheet(jobs),
  pictures: new Pictures(api),
  keys: new Keys(localStorage),
  theme: new Theme(document.documentElement, localStorage),
  toasts: new Toasts(),
};
mount(App, { target: document.body, props: { studio } });
