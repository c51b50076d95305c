/**
 * The import directions of the house: a room may import the rooms below it, never one above or beside it.
 * cli, server → pipelines, training → diffusion, language, models, weights, hub, text, image → configs, autograd, runtime → graph →
 * tensor
 */
const below = {
  tensor: [],
  graph: ["tensor"],
  autograd: ["graph", "tensor"],
  runtime: ["graph", "tensor"],
  image: ["tensor"],
  text: ["tensor"],
  configs: ["tensor"],
  weights: ["configs", "tensor"],
  hub: ["weights", "tensor"],
  models: ["configs", "autograd", "graph", "tensor"],
  diffusion: ["configs", "tensor"],
  language: ["tensor"],
  pipelines: [
    "diffusion",
    "language",
    "models",
    "weights",
    "configs",
    "hub",
    "text",
    "image",
    "autograd",
    "runtime",
    "graph",
    "tensor",
  ],
  training: ["diffusion", "models", "weights", "configs", "text", "image", "autograd", "runtime", "graph", "tensor"],
  cli: [
    "pipelines",
    "training",
    "diffusion",
    "language",
    "models",
    "weights",
    "hub",
    "text",
    "image",
    "runtime",
    "graph",
    "tensor",
  ],
};

module.exports = {
  forbidden: [
    ...Object.entries(below).map(([room, rooms]) => ({
      name: `${room}-imports-downward`,
      severity: "error",
      from: { path: `^src/${room}/` },
      to: { path: "^src/", pathNot: `^src/(${[room, ...rooms].join("|")})/` },
    })),
    {
      name: "only-runtime-knows-onnxruntime",
      severity: "error",
      from: { path: "^src/", pathNot: "^src/runtime/" },
      to: { path: "onnxruntime" },
    },
    {
      name: "samplers-are-strangers",
      comment: "Siblings never import each other: what two samplers share lies in diffusion/ itself.",
      severity: "error",
      from: { path: "^src/diffusion/(samplers|schedules)/([^/]+)\\.ts$" },
      to: { path: "^src/diffusion/$1/", pathNot: "^src/diffusion/$1/$2\\.ts$" },
    },
    {
      name: "commands-are-strangers",
      severity: "error",
      from: { path: "^src/cli/commands/([^/]+)\\.ts$" },
      to: { path: "^src/cli/commands/", pathNot: "^src/cli/commands/$1\\.ts$" },
    },
    { name: "no-cycles", severity: "error", from: { path: "^src/" }, to: { circular: true } },
    {
      name: "no-file-that-nobody-reaches",
      comment: "From the entrances: the package's exports, the launcher, the inference process.",
      severity: "error",
      from: { path: "^src/(index|[^/]+/index|runtime/(host|web))\\.ts$" },
      to: { path: "^src/", pathNot: "^src/(index|[^/]+/index|runtime/(host|web))\\.ts$", reachable: false },
    },
    { name: "no-orphans", severity: "error", from: { orphan: true, path: "^src/", pathNot: "\\.d\\.ts$" }, to: {} },
  ],
  options: {
    doNotFollow: { path: "node_modules" },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: "tsconfig.json" },
    enhancedResolveOptions: { exportsFields: ["exports"], conditionNames: ["import", "node", "default"] },
  },
};
