import { rm } from "node:fs/promises";
import { join } from "node:path";
import { LabError } from "../../shared/errors.ts";
import { childEnvironment } from "../../shared/environment.ts";
import { run } from "../../shared/exec.ts";
import { onLabHost } from "../../shared/image-paths.ts";
import { writePrivateFile } from "../../shared/private-files.ts";
import { makeScratchFolder } from "../../shared/scratch.ts";
import { toolPath } from "../../tools/locate.ts";

/** An image repository and who may use it. */
export interface RepositoryAccess {
  /** `host[:port]/path`, without tag. */
  readonly repository: string;
  readonly username: string;
  readonly password: string;
  /** True where the registry speaks plain HTTP. */
  readonly insecure: boolean;
  /** How this machine comes to it over loopback, where that is another name. */
  readonly local?: string | undefined;
}

/** What can be done with one image repository. Failures are LabError `registry-failed`. */
export interface ImageRepositoryClient {
  /** Every tag; none where the repository does not exist yet. */
  tags(): Promise<string[]>;
  digest(tag: string): Promise<string>;
  /** Uploads the image of an OCI image layout, without a tag. */
  push(layout: string, digest: string): Promise<void>;
  /** Gives an image that is there a tag. */
  tag(digest: string, tag: string): Promise<void>;
  /** Takes a tag away; the image stays. */
  untag(tag: string): Promise<void>;
  /** Deletes an image with all its tags. */
  remove(digest: string): Promise<void>;
}

/** Calls `use` with a client on crane. The credential lives in a private folder for the time of the call. */
export async function withRepository<T>(access: RepositoryAccess, use: (client: ImageRepositoryClient) => Promise<T>): Promise<T> {
  const { repository, username, password, insecure } = onLabHost(access);
  const host = repository.split("/", 1)[0] ?? repository;
  const crane = await toolPath("crane");
  const folder = await makeScratchFolder("crane");
  try {
    const auth = Buffer.from(`${username}:${password}`).toString("base64");
    await writePrivateFile(join(folder, "config.json"), JSON.stringify({ auths: { [host]: { auth } } }));
    const call = async (verb: string, ...args: readonly string[]): Promise<string> => {
      const result = await run(crane, [verb, ...args, ...(insecure ? ["--insecure"] : [])], {
        env: childEnvironment("program", { DOCKER_CONFIG: folder }),
        reject: false,
      });
      if (!result.failed) return result.stdout;
      if (verb === "ls" && /NAME_UNKNOWN|404 Not Found/.test(result.stderr)) return "";
      throw failure(repository, verb, result.stderr || (result.shortMessage ?? ""), result);
    };
    return await use({
      tags: async () => (await call("ls", repository)).split("\n").filter((tag) => tag !== ""),
      digest: (tag) => call("digest", `${repository}:${tag}`),
      push: async (layout, digest) => void (await call("push", layout, `${repository}@${digest}`)),
      tag: async (digest, tag) => void (await call("tag", `${repository}@${digest}`, tag)),
      remove: async (digest) => void (await call("delete", `${repository}@${digest}`)),
      untag: async (tag) => void (await call("delete", `${repository}:${tag}`)),
    });
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function failure(repository: string, verb: string, output: string, cause: unknown): LabError {
  const reason = output.trim().split("\n").at(-1);
  return new LabError("registry-failed", `crane ${verb} on ${repository} failed: ${reason}. Look at the registry with \`./lab doctor\`.`, {
    cause,
  });
}
