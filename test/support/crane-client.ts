import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import type { Credential } from "../../host/access.ts";
import { run } from "../../shared/exec.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { toolPath } from "../../tools/locate.ts";

/** Crane with one login, or none, kept in a folder of its own below `home`. */
export class CraneClient {
  readonly #configFolder: Promise<string>;

  constructor(home: string, registry: string, credential: Credential | undefined) {
    this.#configFolder = (async () => {
      const folder = await mkdtemp(join(home, "crane-"));
      const auth = credential && Buffer.from(`${credential.username}:${credential.password}`).toString("base64");
      await writePrivateFile(join(folder, "config.json"), JSON.stringify({ auths: auth === undefined ? {} : { [registry]: { auth } } }));
      return folder;
    })();
  }

  /** Standard output; throws with what crane wrote on standard error. */
  async crane(...args: string[]): Promise<string> {
    const { stdout } = await run(await toolPath("crane"), [...args, "--insecure"], {
      env: { DOCKER_CONFIG: await this.#configFolder },
      extendEnv: false,
    });
    return stdout;
  }
}
