/** What is published: the files, the entrances, and their types. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../", import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
  exports: Record<string, { types: string; default: string } | string>;
  bin: Record<string, string>;
  dependencies: Record<string, string>;
};
const entrances = Object.entries(manifest.exports).flatMap(([key, target]) =>
  typeof target === "string" ? [] : [{ name: key.replace(/^\./, "inkling"), ...target }],
);

describe("the packed files", () => {
  const [packed] = JSON.parse(
    execFileSync("npm", ["pack", "--dry-run", "--json"], {
      cwd: root,
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }),
  ) as [{ files: { path: string }[]; size: number }];
  const files = packed.files.map(({ path }) => path);

  it("are the build, the model, the assets and the papers, and nothing else", () => {
    const others = files.filter((path) => !/^(dist|models|assets)\//.test(path));
    expect(others.sort()).toEqual(["LICENSE", "NOTICE", "README.md", "package.json"]);
    const built = files.filter((path) => path.startsWith("dist/"));
    for (const path of built) {
      if (/^dist\/(studio|watch)\//.test(path)) {
        expect(path).toMatch(/^dist\/(studio|watch)\/(index\.html|drop\.svg|assets\/[\w.-]+\.(js|css))$/);
        continue;
      }
      expect(path).toMatch(/\.(js|d\.ts)$/);
      const source = path.replace(/^dist/, "src").replace(/(\.d\.ts|\.js)$/, ".ts");
      expect(existsSync(join(root, source)), `${path} has no source`).toBe(true);
    }
    for (const path of files) expect(path).not.toMatch(/\.(map|tsbuildinfo|log|tmp)$|test|fixture|\/\./);
  });

  it("hold the launcher, every entrance, the inference process and the whole embedded model", () => {
    expect(files).toContain(manifest.bin["inkling"]);
    for (const { types, default: file } of entrances) {
      expect(files).toContain(types.slice(2));
      expect(files).toContain(file.slice(2));
    }
    expect(files).toContain("dist/runtime/host.js");
    expect(files).toContain("dist/studio/index.html");
    expect(files).toContain("dist/watch/index.html");
    expect(files).toContain("assets/clip/merges.txt");
    const model = "models/inkdrop-256";
    for (const part of ["model_index.json", "scheduler/scheduler_config.json", "tokenizer/vocab.json"]) {
      expect(files).toContain(`${model}/${part}`);
    }
    for (const part of ["unet", "vae", "text_encoder"]) {
      expect(files).toContain(`${model}/${part}/config.json`);
      expect(
        files.some((path) => path.startsWith(`${model}/${part}/`) && path.endsWith(".safetensors")),
        part,
      ).toBe(true);
    }
  });

  it("import nothing that is not installed with them", () => {
    const installed = Object.keys(manifest.dependencies);
    for (const path of files.filter((each) => each.endsWith(".js"))) {
      const text = readFileSync(join(root, path), "utf8");
      for (const [, name] of text.matchAll(/^(?:import|export)\b[^;]*?\bfrom "([^".][^"]*)"/gm)) {
        const bare = name!.split("/", name!.startsWith("@") ? 2 : 1).join("/");
        expect(name!.startsWith("node:") || installed.includes(bare), `${path} imports ${name}`).toBe(true);
      }
    }
  });
});

/** Node resolves a package's own name through its exports, from anywhere inside of it. */
function runScript(script: string): string {
  return execFileSync(process.execPath, ["--input-type=module", "--eval", script], { cwd: root, encoding: "utf8" });
}

describe("the entrances", () => {
  it("can be imported by their names, as users write them", () => {
    const script = `const rooms = {};
      for (const name of ${JSON.stringify(entrances.map(({ name }) => name))}) {
        rooms[name] = Object.keys(await import(name)).length;
      }
      console.log(JSON.stringify(rooms));`;
    const said = runScript(script);
    const rooms = JSON.parse(said) as Record<string, number>;
    expect(Object.keys(rooms)).toEqual(entrances.map(({ name }) => name));
    for (const [name, exported] of Object.entries(rooms)) expect(exported, name).toBeGreaterThan(0);
  });

  it("load no heavy library before it is needed", () => {
    const script = `await import("inkling");
      console.log(process.report.getReport().sharedObjects.filter((each) => /onnxruntime|vips/.test(each)).join());`;
    const said = runScript(script);
    expect(said.trim()).toBe("");
  });

  it("have types that resolve, none of them any", () => {
    // As a user's strict program sees them: in another folder, through node_modules, without our settings.
    const file = join(root, "consumer.mts");
    const text = entrances
      .map(({ name }, i) => `import * as room${i} from "${name}";\nexport { room${i} };`)
      .join("\n");
    const options: ts.CompilerOptions = {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      target: ts.ScriptTarget.ES2022,
      lib: ["lib.es2022.d.ts"],
      types: ["node"],
      strict: true,
      noEmit: true,
    };
    const host = ts.createCompilerHost(options);
    const { readFile, fileExists, getSourceFile } = host;
    host.readFile = (path) => (path === file ? text : readFile(path));
    host.fileExists = (path) => path === file || fileExists(path);
    host.getSourceFile = (path, ...rest) =>
      path === file ? ts.createSourceFile(path, text, ts.ScriptTarget.ES2022) : getSourceFile(path, ...rest);
    const program = ts.createProgram([file], options, host);
    const faults = ts.getPreEmitDiagnostics(program).map(({ messageText, file: where }) => {
      return `${where?.fileName}: ${ts.flattenDiagnosticMessageText(messageText, " ")}`;
    });
    expect(faults).toEqual([]);

    const published = program
      .getSourceFiles()
      .filter(({ fileName }) => resolve(fileName).startsWith(join(root, "dist")));
    expect(published.length).toBeGreaterThan(entrances.length);
    const anys: string[] = [];
    const look = (node: ts.Node, source: ts.SourceFile): void => {
      if (node.kind === ts.SyntaxKind.AnyKeyword) {
        const { line } = source.getLineAndCharacterOfPosition(node.getStart(source));
        anys.push(`${source.fileName}:${line + 1}`);
      }
      ts.forEachChild(node, (child) => look(child, source));
    };
    for (const source of published) look(source, source);
    expect(anys).toEqual([]);

    const checker = program.getTypeChecker();
    for (const { name, types } of entrances) {
      const entrance = program.getSourceFile(join(root, types))!;
      expect(entrance, `${name} is typed by ${types}`).toBeDefined();
      for (const each of checker.getExportsOfModule(checker.getSymbolAtLocation(entrance)!)) {
        const symbol = each.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(each) : each;
        const isValue = (symbol.flags & ts.SymbolFlags.Value) !== 0;
        const type = checker.getTypeOfSymbol(symbol);
        if (isValue) expect(type.flags & ts.TypeFlags.Any, `${name}: ${each.name} is any`).toBe(0);
      }
    }
  });
});

it("the lock file holds every package of every system, so that npm ci installs anywhere", () => {
  // npm writes down only what it could see when it resolved, and then refuses to install from what it wrote.
  interface Locked {
    readonly version?: string;
    readonly dependencies?: Readonly<Record<string, string>>;
    readonly optionalDependencies?: Readonly<Record<string, string>>;
  }
  const { packages } = JSON.parse(readFileSync(join(root, "package-lock.json"), "utf8")) as {
    packages: Record<string, Locked>;
  };
  const missing: string[] = [];
  for (const [place, { dependencies, optionalDependencies }] of Object.entries(packages)) {
    const parts = (place && `${place}/`).split("node_modules/");
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      // As Node looks: in the package's own node_modules, then in those above it.
      const above = parts.map((_, i) => parts.slice(0, i + 1).join("node_modules/"));
      const found = above.some((folder) => packages[`${folder}node_modules/${name}`]);
      if (!found) missing.push(`${place} needs ${name}`);
    }
  }
  expect(missing).toEqual([]);
  expect(readFileSync(join(root, "package-lock.json"), "utf8")).not.toContain('"resolved"');
});

it("each entrance has a source, and each room its index", () => {
  for (const { default: file } of entrances) {
    const source = file.replace("./dist", "src").replace(/\.js$/, ".ts");
    expect(existsSync(join(root, source)), source).toBe(true);
    expect(existsSync(join(root, dirname(source), "index.ts")), source).toBe(true);
  }
});
