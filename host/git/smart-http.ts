import { join } from "node:path";
import { Hono, type Context } from "hono";
import { sizeText } from "../../shared/limits.ts";
import { DnsLabel } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { authenticate, credentialOf, fluxUsername } from "../access.ts";
import { recordLimitHit } from "../limits/hits.ts";
import { limitsForWeb } from "../limits/stored.ts";
import { Advertisements } from "./advertisement.ts";
import { startBackend, type BackendRequest } from "./backend.ts";
import { cgiResponse } from "./cgi.ts";
import { isInterrupted } from "./outage.ts";
import { openPush, refusedPush, type OpenedPush } from "./push-request.ts";
import { beginPush } from "./receiving.ts";
import { bodyOf, discard, UnreadableBody, wholeBody } from "./request-body.ts";
import { Turnstile } from "./turnstile.ts";

export interface GitRoutes {
  readonly paths: CohortPaths;
  /** Unix socket where the hooks of a push find the daemon's `hookRoutes`. */
  readonly hookSocket: string;
  /**
   * Whether Flux' user of a learner's repository is refused here: Flux in a room comes by the room's own way, and whoever else
   * has its credential is not Flux.
   */
  readonly refusesFlux?: (learner: string) => Promise<boolean>;
}

type Service = "git-upload-pack" | "git-receive-pack";

/** Counted for each user, whichever address they use: a learner's fetches wait for each other and not for others'. */
const turnstile = new Turnstile({ inside: 3, waiting: 12 });

/** What a client says it wants and has; ten thousand commits need half of it. */
const fetchRequestBytes = 1024 * 1024;
/** Bytes of a ref's name: it is a file's name in the repository, with a suffix. */
const refNameBytes = 240;

const lfsSentence =
  "There is no Git LFS in this lab: files are kept in the repository itself. Put them there with `git lfs migrate export --include='*' --yes`, which makes the commits anew that you have not pushed yet, and push again.";

/**
 * The learners' repositories below `/git/<learner>/<repository>.git`, over Git's smart HTTP protocol (gitprotocol-http(5))
 * and its own backend. A learner's repository is open to the users in that learner's access file and to nobody else.
 */
export function gitRoutes({ paths, hookSocket, refusesFlux }: GitRoutes): Hono {
  const advertisements = new Advertisements();

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
    const user = credential.username;
    if (user === fluxUsername(learner.data) && (await refusesFlux?.(learner.data)))
      return c.text(`User ${user} is Flux of that learner's lab, which comes from its own room and from nowhere else.\n`, 403);
    if (service === "git-receive-pack" && permission !== "write") {
      return c.text(`User ${user} may read this repository and not push to it.\n`, 403);
    }

    if (await isInterrupted(paths.learner(learner.data).gitOutage)) return c.text("The Git server is out of service.\n", 503);

    const leave = await turnstile.enter(user);
    if (leave === undefined) {
      const said = `User ${user} has fifteen requests at work or waiting already. Let them end, and try again.`;
      await recordLimitHit(paths.learner(learner.data), "requests", said);
      return c.text(`${said}\n`, 429);
    }
    const path = `/${learner.data}/${repository.data}.git`;
    const isPush = c.req.method === "POST" && service === "git-receive-pack";
    const begun = { request: c.req.raw, root: paths.git, path: `${path}/${resource}`, user, hookSocket };
    const push = { learner: learner.data, repository: repository.data, user };
    try {
      if (isPush) return await receive({ ...begun, push }, join(paths.git, path), leave);
      const body = c.req.method === "POST" ? await wholeBody(bodyOf(c.req.raw), fetchRequestBytes) : null;
      if (body === undefined) return freed(leave, c.text("This is more than a fetch asks for. Clone the repository anew.\n", 413));
      const ask = async () => {
        const { backend } = await startBackend({
          ...begun,
          push,
          mostBytes: 1,
          contentLength: body === null ? undefined : `${body.length}`,
          body: body === null ? undefined : once(body),
          left: c.req.raw.signal,
        });
        void backend.then(leave, leave);
        return cgiResponse(backend.stdout);
      };
      if (body !== null || service !== "git-upload-pack") return await ask();
      return freed(leave, await advertisements.answer(join(paths.git, path), c.req.header("git-protocol") ?? "", ask));
    } catch (error) {
      leave();
      if (error instanceof UnreadableBody) return c.text("Requests come as they are or in gzip.\n", 415);
      if (isCutShort(error)) return c.text("The request is not whole.\n", 400);
      throw error;
    }
  }

  /** A push: its commands are looked at before Git is, and no more of it is taken in than it may have. */
  async function receive(
    begun: Pick<BackendRequest, "request" | "root" | "path" | "user" | "hookSocket" | "push">,
    repository: string,
    leave: () => void,
  ): Promise<Response> {
    const limits = await limitsForWeb(paths);
    const refuse = async (limit: string, sentence: string, opened: OpenedPush) => {
      await recordLimitHit(paths.learner(begun.push.learner), limit, sentence);
      return refusedPush(opened, sentence);
    };
    const opened = await openPush(bodyOf(begun.request), { refs: limits.refs, name: refNameBytes });
    if (opened.excess !== undefined) {
      await discard(opened.rest);
      const headers = { "content-type": "application/x-git-receive-pack-result", "cache-control": "no-cache" };
      const answer = await refuse("refs", `The lab does not take this push: ${opened.excess}`, opened);
      return freed(leave, new Response(new Uint8Array(answer), { headers }));
    }

    let isTooLarge = false;
    // Of what is too much, or of a client that goes, Git sees an end that comes too early, and takes away what it has of the
    // push. A client that goes with the answer, as Flux' does when it has read that its push is accepted, ends nothing.
    async function* pack(): AsyncGenerator<Buffer> {
      let length = opened.head.length;
      yield opened.head;
      for (;;) {
        const value: Buffer | undefined = await opened.rest.next().then(
          (next) => next.value,
          () => undefined,
        );
        if (value === undefined) return;
        length += value.length;
        isTooLarge = length > limits.push;
        if (isTooLarge) return;
        yield value;
      }
    }
    const endPush = await beginPush(repository);
    const over = () => {
      endPush();
      leave();
    };
    try {
      const { backend } = await startBackend({
        ...begun,
        contentLength: undefined,
        body: pack(),
        mostBytes: limits.push,
      });
      void backend.then(over, over);
      const last = async () => {
        // Who still sends reads no answer; also where Git itself has refused what came so far.
        await discard(opened.rest).catch(() => undefined);
        if (!isTooLarge) return undefined;
        const sentence = `The push is larger than ${sizeText(limits.push)}, which is what one may have here (\`push\`). Take large files out of its commits, also out of earlier ones that were not pushed yet; a course's files need no more.`;
        return refuse("push", sentence, opened);
      };
      // Git says of what is too large that it ends too early.
      return await cgiResponse(backend.stdout, { isDropped: () => isTooLarge, last });
    } catch (error) {
      over();
      throw error;
    }
  }

  return new Hono()
    .all("/git/:learner/:repository/info/lfs/*", (c) =>
      // As its API has errors: docs/api/README.md of git-lfs.
      c.json({ message: lfsSentence }, 501, { "Content-Type": "application/vnd.git-lfs+json" }),
    )
    .get("/git/:learner/:repository/info/refs", (c) => {
      const service = c.req.query("service");
      return service === "git-upload-pack" || service === "git-receive-pack" ? serve(c, service, "info/refs") : c.notFound();
    })
    .post("/git/:learner/:repository/git-upload-pack", (c) => serve(c, "git-upload-pack", "git-upload-pack"))
    .post("/git/:learner/:repository/git-receive-pack", (c) => serve(c, "git-receive-pack", "git-receive-pack"));
}

function freed(leave: () => void, response: Response): Response {
  leave();
  return response;
}

async function* once(body: Buffer): AsyncGenerator<Buffer> {
  yield body;
}

/** Whether it is of a body that ends too early, comes too late, or is not in the coding that it says. */
function isCutShort(error: unknown): boolean {
  const { name, code } = (error ?? {}) as { readonly name?: unknown; readonly code?: unknown };
  return name === "AbortError" || name === "TimeoutError" || /^(Z_|ERR_STREAM_|ECONNRESET|ABORT_ERR)/.test(String(code));
}
