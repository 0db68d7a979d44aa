import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setImmediate as turn } from "node:timers/promises";
import { afterAll, beforeAll, test } from "vitest";
import { startBackend } from "../../host/git/backend.ts";
import { createRepository } from "../../host/git/repository.ts";
import { run } from "../../shared/exec.ts";
import { eventually } from "../support/lab-server.ts";
import { processesWith } from "../support/processes.ts";

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), "git-backend-"));
  await createRepository(join(root, "ada/gitops.git"), "main");
  // Git waits for somebody who writes into the pipe.
  await run("mkfifo", [join(root, "ada/gitops.git/packed-refs")]);
});
afterAll(() => rm(root, { recursive: true, force: true }));

test("Git's two halves end with the client, at whatever moment of their beginning that goes", async () => {
  // A signal that reaches the first half while it starts the second is lost on that one, in some milliseconds of each start.
  for (let round = 0; round < 150; round += 1) {
    const client = new AbortController();
    const { backend } = await startBackend({
      request: new Request("http://lab/git/ada/gitops.git/info/refs?service=git-upload-pack"),
      contentLength: undefined,
      body: undefined,
      root,
      path: "/ada/gitops.git/info/refs",
      user: "ada",
      hookSocket: join(root, "nobody.sock"),
      push: { learner: "ada", repository: "gitops", user: "ada" },
      mostBytes: 1,
      left: client.signal,
    });
    const goes = performance.now() + (round % 30) / 5;
    while (performance.now() < goes) await turn();
    client.abort();
    await backend;
    await eventually("no process of Git's", () => processesWith(`GIT_PROJECT_ROOT=${root}`).length === 0);
  }
});
