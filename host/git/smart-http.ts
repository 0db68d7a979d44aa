import { randomUUID } from "node:crypto";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Hono, type Context } from "hono";
import { run } from "../../shared/exec.ts";
import { DnsLabel } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { toolPath } from "../../tools/locate.ts";
import { authenticate, credentialOf } from "../access.ts";
import { cgiResponse } from "./cgi.ts";
import { gitEnvironment, labRefs } from "./repository.ts";

export interface RefUpdate {
  readonly ref: string;
  /** All zeros when the ref is new. */
  readonly oldOid: string;
  /** All zeros when the ref was deleted. */
  readonly newOid: string;
}

export interface Push {
  readonly learner: string;
  readonly repository: string;
  readonly refs: readonly RefUpdate[];
}

export interface GitRoutes {
  readonly paths: CohortPaths;
  /** Called after a push that changed something. */
  readonly onPush: (push: Push) => void;
}

type Service = "git-upload-pack" | "git-receive-pack";

/**
 * The rules of every learner's repository, given to Git on each call, so that a repository is nothing but its content.
 * The hooks folder is where a gate before a push (`pre-receive`) would go.
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
export function gitRoutes({ paths, onPush }: GitRoutes): Hono {
  async function serve(c: Context, service: Service, resource: string): Promise<Response> {
    const learner = DnsLabel.safeParse(c.req.param("learner"));
    const repository = DnsLabel.safeParse(/^(.+)\.git$/.exec(c.req.param("repository") ?? "")?.[1]);
    if (!learner.success || !repository.success) return c.notFound();

    const credential = credentialOf(c.req.raw);
    const permission = await authenticate(paths.learner(learner.data).access, "git", credential);
    if (credential === undefined || permission === undefined) {
      return c.text("This repository asks for its learner's user name and password.\n", 401, { "WWW-Authenticate": 'Basic realm="gitops-lab"' });
    }
    if (service === "git-receive-pack" && permission !== "write") {
      return c.text(`User ${credential.username} may read this repository and not push to it.\n`, 403);
    }

    const name = `${learner.data}/${repository.data}.git`;
    const reportFile = join(paths.git, name, `push-${randomUUID()}`);
    const backend = run(await toolPath("git"), [...Object.entries(settings).flatMap(([key, value]) => ["-c", `${key}=${value}`]), "http-backend"], {
      env: {
        ...gitEnvironment(),
        ...requestVariables(c.req.raw),
        GIT_PROJECT_ROOT: paths.git,
        GIT_HTTP_EXPORT_ALL: "1",
        PATH_INFO: `/${name}/${resource}`,
        REMOTE_USER: credential.username,
        GITOPS_LAB_PUSH_REPORT: reportFile,
      },
      extendEnv: false,
      stdin: c.req.raw.body ?? "ignore",
      stderr: "inherit",
      buffer: false,
      reject: false,
      // When the client goes away, so does the backend.
      cancelSignal: c.req.raw.signal,
    });
    if (resource === "git-receive-pack") {
      backend
        .then(() => takeReport(reportFile))
        .then((refs) => refs.length > 0 && onPush({ learner: learner.data, repository: repository.data, refs }))
        .catch((error: unknown) => console.error(error));
    }
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

/** What the post-receive hook wrote of a push (its input, see githooks(5)); nothing where no ref changed. */
async function takeReport(file: string): Promise<RefUpdate[]> {
  const report = await readIfExists(file);
  if (report === undefined) return [];
  await rm(file);
  return report
    .trimEnd()
    .split("\n")
    .map((line) => {
      const [oldOid = "", newOid = "", ref = ""] = line.split(" ");
      return { ref, oldOid, newOid };
    });
}
