import { mkdir, readdir, rm } from "node:fs/promises";
import { createServer, type RequestListener, type Server } from "node:http";
import { join } from "node:path";
import { DnsLabel } from "../../shared/names.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { learnerWay, waysFolder } from "../processes/ways.ts";
import { capped, connections, outsideOptions } from "../doors/outside.ts";
import { log } from "../log.ts";

/** Answers the requests that come by one learner's ways. */
export type WayListeners = (learner: string) => { readonly http: RequestListener; readonly registry: RequestListener };

/** The Unix sockets on which the learners' rooms reach what is theirs, two for each learner. */
export class Ways {
  readonly #paths: CohortPaths;
  readonly #listeners: WayListeners;
  readonly #open = new Map<string, readonly Server[]>();
  #changing: Promise<unknown> = Promise.resolve();

  constructor(paths: CohortPaths, listeners: WayListeners) {
    this.#paths = paths;
    this.#listeners = listeners;
  }

  /** Opens those of every learner who has a folder, and takes away what an earlier process left of others. */
  async openAll(): Promise<void> {
    // The folder stays: in a room it is a mount.
    const folder = waysFolder(this.#paths);
    for (const left of await readdir(folder).catch(() => [])) await rm(join(folder, left), { force: true });
    const found = await readdir(join(this.#paths.root, "learners")).catch(() => []);
    for (const learner of found) if (DnsLabel.safeParse(learner).success) await this.open(learner);
  }

  /** Opens a learner's ways; those that are open stay as they are. */
  open(learner: string): Promise<void> {
    return this.#inTurn(async () => {
      if (this.#open.has(learner)) return;
      await mkdir(waysFolder(this.#paths), { recursive: true, mode: 0o700 });
      const { http, registry } = this.#listeners(learner);
      const servers = [
        await listen(http, learnerWay(this.#paths, learner, "http")),
        await listen(registry, learnerWay(this.#paths, learner, "registry")),
      ];
      this.#open.set(learner, servers);
    });
  }

  /** Shuts a learner's ways with all that goes over them. */
  shut(learner: string): Promise<void> {
    return this.#inTurn(async () => {
      for (const server of this.#open.get(learner) ?? []) {
        server.closeAllConnections();
        await new Promise<void>((resolve) => server.close(() => resolve()));
      }
      this.#open.delete(learner);
    });
  }

  #inTurn(work: () => Promise<void>): Promise<void> {
    const next = this.#changing.then(work);
    this.#changing = next.catch(() => undefined);
    return next;
  }
}

async function listen(listener: RequestListener, path: string): Promise<Server> {
  const server = capped(createServer(outsideOptions, listener), connections.learner);
  // What an earlier process left.
  await rm(path, { force: true });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(path, resolve));
  server.removeAllListeners("error").on("error", (error) => log("error", "a way into a room failed", { error }));
  return server;
}
