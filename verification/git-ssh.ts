import { join } from "node:path";
import type { LearnerOutputs } from "../shared/outputs.ts";
import { writePrivateFile } from "../shared/private-files.ts";

/**
 * Git over SSH with this key alone, to a server with these host keys alone. Writes both into the folder, with mode 0600.
 */
export async function sshEnvironment(
  { privateKey, knownHosts }: NonNullable<LearnerOutputs["git"]["ssh"]>,
  folder: string,
): Promise<Record<string, string>> {
  const files = { key: join(folder, "key"), knownHosts: join(folder, "known_hosts") };
  await writePrivateFile(files.key, privateKey);
  await writePrivateFile(files.knownHosts, knownHosts);
  const options = [
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    `UserKnownHostsFile=${files.knownHosts}`,
    "GlobalKnownHostsFile=/dev/null",
    "ConnectTimeout=15",
  ];
  return { GIT_SSH_COMMAND: `ssh -F /dev/null -i ${files.key} ${options.map((option) => `-o ${option}`).join(" ")}` };
}
