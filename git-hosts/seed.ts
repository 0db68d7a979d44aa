import type { Seed } from "../host/git/repository.ts";
import type { FileTree } from "../lab-templates/types.ts";

/** Fixed, so that the same seed is the same commit for whoever makes it. */
const date = Date.UTC(2026, 0, 1) / 1000;

/** The commit that a learner's repository begins with. */
export function seedOf(files: FileTree): Seed {
  return { files, message: "Seed the lab", author: { name: "gitops-lab", email: "gitops-lab@localhost" }, date };
}
