/**
 * Makes what bench/pictures.mjs measures ours against, below PEERS_HOME (default ~/.cache/inkling-peers): a Python
 * environment, onnxruntime-node, stable-diffusion.cpp, checkpoints and their exported graphs. What is there is left alone.
 *
 *   npm run bench:setup -- [--against diffusers,openvino,sdcpp] [--model sd21,small|FOLDER] [--size 256]
 *
 * Without --against: every peer. Needs Python 3.11 or newer; for stable-diffusion.cpp CMake, Ninja and a C++ compiler; about
 * 20 GB for sd21. A graph of ONNX is exported for one size, again for another.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { folderOf, Missing, main, peersOf, readOptions, STAND_INS, whole } from "../work.mjs";
import { HOME, PYTHON, peers, SD_CLI, SINGLE_FILE } from "./engines.mjs";

const SD_CPP = "0.4.7";
const ORT_NODE = "1.30.0";
const here = (file) => fileURLToPath(new URL(file, import.meta.url));

await main(setUp);

function setUp() {
  const values = readOptions({
    against: { type: "string", default: Object.keys(peers).join() },
    model: { type: "string", default: STAND_INS.join() },
    size: { type: "string", default: "256" },
  });
  const names = peersOf(values.against);
  const size = whole("size", values.size, 64);
  const wants = (...kinds) => kinds.some((kind) => names.some((name) => name.startsWith(kind)));

  mkdirSync(join(HOME, "models"), { recursive: true });
  if (wants("diffusers", "openvino", "onnxruntime")) makePython();
  if (names.includes("onnxruntime-node")) makeOrtNode();
  if (wants("sdcpp")) makeSdCpp();
  for (const model of values.model.split(",")) {
    const folder = makeModel(model);
    const make = (path, ...command) => existsSync(join(folder, path)) || run(...command);
    if (wants("onnxruntime")) make(`onnx/${size}`, PYTHON, "-W", "ignore", here("export.py"), folder, size, "onnx");
    if (wants("openvino")) make("openvino", PYTHON, "-W", "ignore", here("export.py"), folder, size, "openvino");
    if (wants("sdcpp") && model === "sd21") make(SINGLE_FILE, process.execPath, here("single-file.mjs"), folder);
  }
  console.log(`${names.join(", ")}: ready in ${HOME}`);
}

/** The environment is of these requirements when it holds a copy of them. */
function makePython() {
  const wanted = readFileSync(here("requirements.txt"), "utf8");
  const made = join(HOME, "venv/requirements.txt");
  if (existsSync(made) && readFileSync(made, "utf8") === wanted) return;
  if (!existsSync(PYTHON)) run("python3", "-m", "venv", join(HOME, "venv"));
  run(PYTHON, "-m", "pip", "install", "-q", "-r", here("requirements.txt"));
  writeFileSync(made, wanted);
}

function makeOrtNode() {
  const folder = join(HOME, "node");
  if (existsSync(join(folder, "node_modules/onnxruntime-node"))) return;
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), '{ "private": true }\n');
  run(
    "npm",
    "install",
    "--prefix",
    folder,
    "--ignore-scripts",
    "--no-audit",
    "--no-fund",
    `onnxruntime-node@${ORT_NODE}`,
  );
}

/** From the sources that its binding for Python carries, for this very processor, with ggml's faster matrix product. */
function makeSdCpp() {
  if (existsSync(SD_CLI)) return;
  const source = join(HOME, "src");
  mkdirSync(source, { recursive: true });
  const name = `stable_diffusion_cpp_python-${SD_CPP}`;
  const archive = join(source, `${name}.tar.gz`);
  if (!existsSync(archive)) {
    run(
      "python3",
      "-m",
      "pip",
      "download",
      "-q",
      "--no-deps",
      "--no-binary",
      ":all:",
      "-d",
      source,
      `stable-diffusion-cpp-python==${SD_CPP}`,
    );
  }
  run("tar", "xzf", archive, "-C", source);
  const build = join(HOME, "sd-build");
  const flags = ["BUILD_TYPE=Release", "C_FLAGS=-O3 -march=native", "CXX_FLAGS=-O3 -march=native"];
  const options = ["GGML_NATIVE=ON", "GGML_LLAMAFILE=ON", "GGML_OPENMP=ON", "SD_WEBP=OFF", "SD_WEBM=OFF"];
  const defined = [...flags.map((flag) => `-DCMAKE_${flag}`), ...options.map((option) => `-D${option}`)];
  run("cmake", "-S", join(source, name, "vendor/stable-diffusion.cpp"), "-B", build, "-G", "Ninja", ...defined);
  run("cmake", "--build", build, "--target", "sd-cli");
}

/** A stand-in is made where it is missing; any other checkpoint folder has to be there. */
function makeModel(model) {
  const folder = join(HOME, "models", model);
  if (STAND_INS.includes(model) && !existsSync(join(folder, "model_index.json"))) {
    const script = { sd21: ["../make-checkpoint.mjs", folder, "sd21-base"], small: ["float16-folder.mjs", folder] }[
      model
    ];
    run(process.execPath, here(script[0]), ...script.slice(1));
  }
  return folderOf(model);
}

function run(command, ...args) {
  console.log(`${command} ${args.join(" ")}`);
  const { status, error } = spawnSync(command, args.map(String), { stdio: "inherit" });
  if (status !== 0)
    throw new Missing(`${command} ${error ? `could not be started: ${error.message}` : `ended with ${status}`}.`);
}
