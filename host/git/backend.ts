import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { run } from "../../shared/exec.ts";
import { locate } from "../../tools/locate.ts";
import { boundedGit } from "./bounded-git.ts";
import { gitEnvironment, labRefs } from "./repository.ts";

const hooks = fileURLToPath(new URL("hooks", import.meta.url));

/** The rules of every learner's repository, given to Git on each call, so that a repository is nothing but its content. */
const settings = {
  "http.receivepack": "true",
  "http.getanyfile": "false",
  "http.uploadarchive": "false",
  "receive.denyNonFastForwards": "true",
  "receive.denyDeleteCurrent": "refuse",
  "transfer.hideRefs": labRefs,
  "core.hooksPath": hooks,
  // Every push is kept as the pack that it came in: what unpacks it to single files holds every one of them in memory.
  "receive.unpackLimit": "1",
  "receive.autogc": "false",
  "receive.advertisePushOptions": "false",
  "receive.shallowUpdate": "false",
  // What a client's checkout would stumble over, or over which it could be led elsewhere, is not taken in.
  "transfer.fsckObjects": "true",
  // Three slips of old programs that are in many histories and that nobody minds.
  "receive.fsck.zeroPaddedFilemode": "ignore",
  "receive.fsck.missingSpaceBeforeDate": "ignore",
  "receive.fsck.badTimezone": "ignore",
  // A fetch gets what refs lead to, and as a whole.
  "uploadpack.allowFilter": "false",
  "uploadpack.allowTipSHA1InWant": "false",
  "uploadpack.allowReachableSHA1InWant": "false",
  "uploadpack.allowAnySHA1InWant": "false",
  "uploadpack.allowRefInWant": "false",
} as const;

let located: ReturnType<typeof locate> | undefined;

/** What the hooks run in the place of Node; undefined where an earlier version set this machine up. */
const hookProgram = () => (located ??= locate("lab-hook"));

/** A fetch over a slow network, or a push with the build that the pusher waits for. */
const timeoutMs = 600_000;

export interface BackendRequest {
  readonly request: Request;
  /** Of the body that is given to Git; undefined where it is not known, or not the request's own. */
  readonly contentLength: string | undefined;
  readonly body: AsyncIterable<Buffer> | undefined;
  /** Folder of all repositories. */
  readonly root: string;
  readonly path: string;
  readonly user: string;
  readonly hookSocket: string;
  /** What the hooks tell of the push. */
  readonly push: { readonly learner: string; readonly repository: string; readonly user: string };
  /** Bytes of the pack of a push. */
  readonly mostBytes: number;
  /** Ends Git's work, all of it at once: the client of a request that only reads has gone. Of a push Git itself sees it. */
  readonly left?: AbortSignal;
}

/** Git's own HTTP backend at work on a request, git-http-backend(1). In an object, for it is a promise of its end, too. */
export async function startBackend(of: BackendRequest) {
  // Git takes a hook that it may not execute for none, and every push for accepted.
  if (of.path.endsWith("/git-receive-pack"))
    for (const hook of ["pre-receive", "post-receive"]) await access(join(hooks, hook), constants.X_OK);
  const [command, args] = await boundedGit(["http-backend"], { ...settings, "receive.maxInputSize": `${of.mostBytes}` });
  const backend = run(command, args, {
    env: {
      ...gitEnvironment(),
      ...requestVariables(of.request, of.contentLength),
      GIT_PROJECT_ROOT: of.root,
      GIT_HTTP_EXPORT_ALL: "1",
      PATH_INFO: of.path,
      REMOTE_USER: of.user,
      GITOPS_LAB_NODE: process.execPath,
      GITOPS_LAB_HOOK: (await hookProgram())?.path,
      GITOPS_LAB_HOOKS: of.hookSocket,
      GITOPS_LAB_PUSH: JSON.stringify(of.push),
    },
    stdin: of.body ?? "ignore",
    stderr: "inherit",
    buffer: false,
    reject: false,
    // What only reads is ended as a group: a signal that reaches Git while it starts its other half is lost on that one.
    ...(of.left ? { detached: true } : { timeout: timeoutMs }),
  });
  if (of.left) endGroupWith(AbortSignal.any([of.left, AbortSignal.timeout(timeoutMs)]), backend);
  return { backend };
}

function endGroupWith(left: AbortSignal, backend: PromiseLike<unknown> & { readonly pid?: number | undefined }): void {
  const end = () => {
    try {
      if (backend.pid !== undefined) process.kill(-backend.pid, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
  };
  const over = () => left.removeEventListener("abort", end);
  if (left.aborted) end();
  left.addEventListener("abort", end);
  void backend.then(over, over);
}

/** CGI's variables for a request; a header that was not sent gives none. */
function requestVariables(request: Request, contentLength: string | undefined): Record<string, string> {
  const fromHeaders = {
    CONTENT_TYPE: request.headers.get("content-type"),
    CONTENT_LENGTH: contentLength ?? null,
    GIT_PROTOCOL: request.headers.get("git-protocol"),
  };
  return {
    REQUEST_METHOD: request.method,
    QUERY_STRING: new URL(request.url).search.slice(1),
    ...Object.fromEntries(Object.entries(fromHeaders).filter((entry): entry is [string, string] => entry[1] !== null)),
  };
}
