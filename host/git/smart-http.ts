import { fileURLToPath } from "node:url";
import { Hono, type Context } from "hono";
import { run } from "../../shared/exec.ts";
import { DnsLabel } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";
import { authenticate, credentialOf } from "../access.ts";
import { cgiResponse } from "./cgi.ts";
import { isInterrupted } from "./outage.ts";
import { gitEnvironment, labRefs } from "./repository.ts";

export interface GitRoutes {
  readonly paths: CohortPaths;
  /** Unix socket where the hooks of a push find the daemon's `hookRoutes`. */
  readonly hookSocket: string;
}

type Service = "git-upload-pack" | "git-receive-pack";

/**
 * The rules of every learner's repository, given to Git on each call, so that a repository is nothing but its content.
 */
const settings = {
  "http.receivepack": "true",
  "receive.denyNonFastForwards": "true",
  "receive.denyDeleteCurrent": "refuse",
  "transfer.hideRefs": labRefs,
  "core.hooksPath": fileURLToPath(new URL("hooks", import.meta.url)),
  // A clean-up in the background would be a process that nobody knows of.
  "gc.autoDetach": "false",
};

/**
 * The learners' repositories below `/git/<learner>/<repository>.git`, over Git's smart HTTP protocol (gitprotocol-http(5))
 * and its own backend. A learner's repository is open to the users in that learner's access file and to nobody else.
 */
export function gitRoutes({ paths, hookSocket }: GitRoutes): Hono {
  async function serve(c: Context, service: Service, resource: string): Promise<Response> {
    const learner = DnsLabel.safeParse(c.req.param("learner"));
    const repository = DnsLabel.safeParse(/^(.+)\.git$/.exec(c.req.param("repository") ?? "")?.[1]);
    if (!learner.success || !repository.success) return c.notFound();

    const credential = credentialOf(c.req.raw);
    const permission = await authenticate(paths.learner(learner.data).access, "git", credential);
    if (credential === undefined || permission === undefined) {
      return c.text("This repository asks for its learner's user name and password.\n", 401, {
        "WWW-Authenticate": 'Basic realm="gitops-lab"',
      });
    }
    if (service === "git-receive-pack" && permission !== "write") {
      return c.text(`User ${credential.username} may read this repository and not push to it.\n`, 403);
    }

    if (await isInterrupted(paths.learner(learner.data).gitOutage)) return c.text("The Git server is out of service.\n", 503);

    const name = `${learner.data}/${repository.data}.git`;
    const upload = new Upload(c.req.raw, service === "git-receive-pack");
    const backend = run(
      await toolPath("git"),
      [...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]), "http-backend"],
      {
        env: {
          ...gitEnvironment(),
          ...requestVariables(c.req.raw),
          GIT_PROJECT_ROOT: paths.git,
          GIT_HTTP_EXPORT_ALL: "1",
          PATH_INFO: `/${name}/${resource}`,
          REMOTE_USER: credential.username,
          GITOPS_LAB_NODE: process.execPath,
          GITOPS_LAB_HOOKS: hookSocket,
          GITOPS_LAB_PUSH: JSON.stringify({ learner: learner.data, repository: repository.data, user: credential.username }),
        },
        extendEnv: false,
        stdin: upload.body ?? "ignore",
        stderr: "inherit",
        buffer: false,
        reject: false,
        cancelSignal: upload.abandoned,
      },
    );
    return cgiResponse(backend.stdout);
  }

  return new Hono()
    .get("/git/:learner/:repository/info/refs", (c) => {
      const service = c.req.query("service");
      return service === "git-upload-pack" || service === "git-receive-pack" ? serve(c, service, "info/refs") : c.notFound();
    })
    .post("/git/:learner/:repository/git-upload-pack", (c) => serve(c, "git-upload-pack", "git-upload-pack"))
    .post("/git/:learner/:repository/git-receive-pack", (c) => serve(c, "git-receive-pack", "git-receive-pack"));
}

/**
 * A request's body, and whether its client has left. A fetch whose client goes is ended at once. A push is ended only while it
 * still comes in: Flux' Git client leaves when it has read that the push was accepted, and then the hooks begin.
 */
class Upload {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly abandoned: AbortSignal;

  constructor({ body, signal }: Request, isPush: boolean) {
    const abandoned = new AbortController();
    let isComplete = false;
    const notice = new TransformStream<Uint8Array, Uint8Array>({ flush: () => void (isComplete = true) });
    this.body = body === null ? null : body.pipeThrough(notice);
    this.abandoned = abandoned.signal;
    signal.addEventListener("abort", () => {
      if (!isPush || !isComplete) abandoned.abort();
    });
  }
}

/** CGI's variables for a request; a header that was not sent gives none. */
function requestVariables(request: Request): Record<string, string> {
  const fromHeaders = {
    CONTENT_TYPE: request.headers.get("content-type"),
    CONTENT_LENGTH: request.headers.get("content-length"),
    HTTP_CONTENT_ENCODING: request.headers.get("content-encoding"),
    GIT_PROTOCOL: request.headers.get("git-protocol"),
  };
  return {
    REQUEST_METHOD: request.method,
    QUERY_STRING: new URL(request.url).search.slice(1),
    ...Object.fromEntries(Object.entries(fromHeaders).filter((entry): entry is [string, string] => entry[1] !== null)),
  };
}
