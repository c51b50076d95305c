/**
 * The import directions of the house: a room may import the rooms below it, never one above or beside it.
 * cli → server → explain → pipelines, training → diffusion, language, models, weights, hub, text, image → configs, autograd, runtime → graph →
 * tensor
 */
const below = { tensor: [], graph: ["tensor"], language: ["tensor"], text: ["tensor"], image: ["tensor"] };
/** These rooms, and those below them. */
const over = (...rooms) => [...new Set(rooms.flatMap((room) => [room, ...below[room]]))];
below.configs = over("tensor");
below.autograd = over("graph");
below.runtime = over("graph");
below.diffusion = over("configs");
below.weights = over("configs");
below.hub = ["weights", "tensor"];
below.models = over("configs", "autograd");
below.training = over("diffusion", "models", "weights", "text", "image", "runtime");
below.pipelines = over("diffusion", "language", "models", "hub", "text", "image", "runtime");
below.explain = over("pipelines");
below.server = over("explain", "training");
below.cli = over("server");

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
    {
      name: "routes-are-strangers",
      severity: "error",
      from: { path: "^src/server/routes/([^/]+)\\.ts$" },
      to: { path: "^src/server/routes/", pathNot: "^src/server/routes/$1\\.ts$" },
    },
    { name: "no-cycles", severity: "error", from: { path: "^src/" }, to: { circular: true } },
    {
      name: "no-file-that-nobody-reaches",
      comment:
        "From the entrances: the package's exports, the launcher, the inference process, the others that learn together.",
      severity: "error",
      from: { path: "^src/(index|[^/]+/index|runtime/(host|web)|training/page|cli/train/worker)\\.ts$" },
      to: {
        path: "^src/",
        pathNot: "^src/(index|[^/]+/index|runtime/(host|web)|training/page|cli/train/worker)\\.ts$",
        reachable: false,
      },
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
