/** What a file brings with it when it is loaded, types aside. */
import { readFileSync } from "node:fs";
import { dirname, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import { expect, test } from "vitest";

const root = fileURLToPath(new URL("../../", import.meta.url));

/** Every module that `file` imports before it runs, each with the way there. */
function loadedBy(file: string): Map<string, string> {
  const found = new Map<string, string>();
  const visit = (path: string, way: string): void => {
    const { statements } = ts.createSourceFile(path, readFileSync(path, "utf8"), ts.ScriptTarget.Latest);
    for (const statement of statements) {
      const name = moduleOf(statement);
      if (name === undefined) continue;
      const next = name.startsWith(".") ? relative(root, resolve(dirname(path), name)) : name;
      if (found.has(next)) continue;
      found.set(next, `${way} → ${next}`);
      if (name.startsWith(".")) visit(resolve(root, next), found.get(next)!);
    }
  };
  visit(resolve(root, file), file);
  return found;
}

/** What a statement imports or passes on; undefined where it is about types alone. */
function moduleOf(statement: ts.Statement): string | undefined {
  if (ts.isExportDeclaration(statement)) {
    const { exportClause: names, isTypeOnly, moduleSpecifier } = statement;
    const types = isTypeOnly || (names && ts.isNamedExports(names) && names.elements.every((each) => each.isTypeOnly));
    return types ? undefined : (moduleSpecifier as ts.StringLiteral | undefined)?.text;
  }
  if (!ts.isImportDeclaration(statement)) return undefined;
  const { importClause: clause, moduleSpecifier } = statement;
  const names = clause?.namedBindings;
  const named = !clause?.name && names && ts.isNamedImports(names) && names.elements.every((each) => each.isTypeOnly);
  return clause?.isTypeOnly || named ? undefined : (moduleSpecifier as ts.StringLiteral).text;
}

test.each([
  "src/pipelines/text-to-image.ts",
  "src/pipelines/networks.ts",
  "src/pipelines/resolve.ts",
  "src/pipelines/init-picture.ts",
  "src/autograd/index.ts",
  "src/training/page.ts",
  "src/runtime/web.ts",
  "test/browser/page.ts",
])("%s runs in a page: nothing of Node and no picture codecs", (file) => {
  const loaded = loadedBy(file);
  expect(loaded.size).toBeGreaterThan(0);
  const strange = [...loaded].filter(([name]) => /^node:|^(sharp|onnxruntime-node|jiti|lilconfig)$/.test(name));
  expect(strange.map(([, way]) => way)).toEqual([]);
});

test("the help loads no engine, no schemas and no config files", () => {
  const loaded = loadedBy("src/cli/index.ts");
  expect(loaded.has("commander")).toBe(true);
  const others = [...loaded].filter(([name]) => !/^(node:|src\/)/.test(name)).map(([name]) => name);
  expect(others.sort()).toEqual(["commander", "fastest-levenshtein"]);
  const heavy = [...loaded].filter(([name]) => /^src\/(graph|runtime|models|weights|diffusion|training)\//.test(name));
  // What may be set when a model is taught is a table of its own, as it is for pictures.
  const table = "src/training/limits.ts";
  expect([...loadedBy(table).keys()]).toEqual(["src/configs/adapter.ts"]);
  expect(heavy.filter(([name]) => name !== table).map(([, way]) => way)).toEqual([]);
});
