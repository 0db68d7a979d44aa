import { readdirSync, readFileSync } from "node:fs";
import { join, relative, sep } from "node:path";
import { fileURLToPath } from "node:url";
import type { FileTree } from "../types.ts";

/** The text files below a folder, in the order of their paths. Lines end with LF, whatever the checkout has. */
export function readTree(folder: URL): FileTree {
  const root = fileURLToPath(folder);
  const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath, entry.name)).toSorted();
  return Object.fromEntries(
    paths.map((path) => [relative(root, path).split(sep).join("/"), readFileSync(path, "utf8").replaceAll("\r\n", "\n")]),
  );
}

/** The same files in a folder. */
export function under(folder: string, tree: FileTree): FileTree {
  return Object.fromEntries(Object.entries(tree).map(([path, text]) => [`${folder}/${path}`, text]));
}

/** Puts a value in the place of each `${name}`. An unknown name is a defect of the template. */
export function fillIn(tree: FileTree, values: Readonly<Record<string, string | number | boolean>>): FileTree {
  return Object.fromEntries(
    Object.entries(tree).map(([path, text]) => [
      path,
      text.replaceAll(/\$\{(\w+)\}/g, (_, name: string) => {
        const value = values[name];
        if (value === undefined) throw new Error(`${path} asks for \${${name}}, which the template does not give.`);
        return String(value);
      }),
    ]),
  );
}
