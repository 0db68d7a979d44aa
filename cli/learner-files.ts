import { dirname } from "node:path";
import { handoutFiles } from "../lab-templates/handout/document.ts";
import { addressesOf, type LearnerOutputs } from "../shared/outputs.ts";
import { toolPath } from "../tools/locate.ts";

/** Folders of the programs that a learner works with. */
export async function toolFolders(): Promise<string[]> {
  return [...new Set((await Promise.all((["kubectl", "flux", "crane"] as const).map((tool) => toolPath(tool)))).map(dirname))];
}

/** The files with a learner's credentials, by name; each is to be of mode 0600. */
export function credentialFiles(learner: LearnerOutputs): Record<string, string> {
  const { cluster, git, registry, open } = learner;
  const { gitUrl, repository } = addressesOf(learner);
  const url = new URL(gitUrl);
  const login = `${encodeURIComponent(git.username)}:${encodeURIComponent(git.password)}`;
  const auth = Buffer.from(`${registry.username}:${registry.password}`).toString("base64");
  return {
    [handoutFiles.kubeconfig]: open?.kubeconfig ?? cluster.kubeconfig,
    ...(git.password !== "" && { [handoutFiles.git]: `${url.protocol}//${login}@${url.host}\n` }),
    [handoutFiles.registry]: registry.shared
      ? "{}\n"
      : `${JSON.stringify({ auths: { [repository.split("/", 1)[0]!]: { auth } } }, null, 2)}\n`,
    ...(open && { [handoutFiles.authority]: open.ca }),
  };
}
