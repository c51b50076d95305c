import type { Component } from "svelte";
import type { MessageKey } from "../../i18n/i18n.ts";
import type { Run } from "./run.svelte.ts";

/** What a view is given. */
export interface ViewProps {
  readonly query: URLSearchParams;
  /** The one that all views look into. */
  readonly run: Run;
}

/** An explanation with an address of its own: "/explain/" and its name. */
export interface View {
  readonly id: string;
  readonly title: MessageKey;
  /** One sentence of plain words. */
  readonly about: MessageKey;
  readonly paper: { readonly title: string; readonly url: string };
  load(): Promise<{ readonly default: Component<ViewProps> }>;
}

const arxiv = (id: string, title: string) => ({ title, url: `https://arxiv.org/abs/${id}` });

/** One file a view, one entry here. The first is where explaining begins. */
export const VIEWS: readonly View[] = [
  {
    id: "attention",
    title: "explain.attention",
    about: "explain.attention.about",
    paper: arxiv("2210.04885", "Tang et al. 2022: What the DAAM"),
    load: () => import("./views/Attention.svelte"),
  },
  {
    id: "steps",
    title: "explain.steps",
    about: "explain.steps.about",
    paper: arxiv("2112.10752", "Rombach et al. 2022: Latent diffusion"),
    load: () => import("./views/Steps.svelte"),
  },
  {
    id: "ink-drop",
    title: "explain.ink",
    about: "explain.ink.about",
    paper: arxiv("2006.11239", "Ho et al. 2020: Denoising diffusion"),
    load: () => import("./views/InkDrop.svelte"),
  },
  {
    id: "words",
    title: "explain.words",
    about: "explain.words.about",
    paper: arxiv("2103.00020", "Radford et al. 2021: CLIP"),
    load: () => import("./views/Words.svelte"),
  },
  {
    id: "guidance",
    title: "explain.guidance",
    about: "explain.guidance.about",
    paper: arxiv("2207.12598", "Ho & Salimans 2022: Classifier-free guidance"),
    load: () => import("./views/Guidance.svelte"),
  },
  {
    id: "unet",
    title: "explain.unet",
    about: "explain.unet.about",
    paper: arxiv("1505.04597", "Ronneberger et al. 2015: U-Net"),
    load: () => import("./views/Unet.svelte"),
  },
  {
    id: "latent",
    title: "explain.latent",
    about: "explain.latent.about",
    paper: arxiv("2112.10752", "Rombach et al. 2022: Latent diffusion"),
    load: () => import("./views/Latent.svelte"),
  },
  {
    id: "race",
    title: "explain.race",
    about: "explain.race.about",
    paper: arxiv("2206.00364", "Karras et al. 2022: The design space of diffusion"),
    load: () => import("./views/Race.svelte"),
  },
  {
    id: "next-word",
    title: "explain.next",
    about: "explain.next.about",
    paper: {
      title: "Radford et al. 2019: GPT-2",
      url: "https://cdn.openai.com/better-language-models/language_models_are_unsupervised_multitask_learners.pdf",
    },
    load: () => import("./views/NextWord.svelte"),
  },
  {
    id: "clip",
    title: "explain.clip",
    about: "explain.clip.about",
    paper: arxiv("2103.00020", "Radford et al. 2021: CLIP"),
    load: () => import("./views/Clip.svelte"),
  },
];
