import { mkdir, symlink, utimes } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../shared/exec.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * A clone of this project below the folder, as a machine with `core.autocrlf=true` makes it, in a path with spaces and with
 * characters that mean something in addresses. Returns the path of its `lab` through a symbolic link.
 */
export async function foreignCheckout(folder: string): Promise<{ readonly root: string; readonly lab: string }> {
  const parent = join(folder, "My Documents (100%) #1?");
  await mkdir(parent, { recursive: true });
  const clone = join(parent, "gitops lab");
  await run("git", ["clone", "--quiet", "-c", "core.autocrlf=true", "-c", "core.eol=crlf", root, clone]);
  await symlink(join(root, "node_modules"), join(clone, "node_modules"));
  // So that it is not older than what was installed for another checkout.
  await utimes(join(clone, "package-lock.json"), 1, 1);
  await symlink(clone, join(folder, "link"));
  return { root: clone, lab: join(folder, "link", "lab") };
}
