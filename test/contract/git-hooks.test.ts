import { createServer, type Server } from "node:http";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { setupTools } from "../../tools/install.ts";
import { toolPath } from "../../tools/locate.ts";

/* Git's hooks run a program of Go where there is one, and a script of Node's elsewhere. Both have to be the same to Git and to the lab. */

const hooks = join(import.meta.dirname, "../../host/git/hooks");
const oid = "a".repeat(40);
const lines = `${"0".repeat(40)} ${oid} refs/heads/main\n${oid} ${"0".repeat(40)} refs/heads/ä\n`;

let folder: string;
let server: Server;
const told: { url: string | undefined; type: string | undefined; body: unknown }[] = [];
let answer: { status: number; said: readonly string[] };

beforeAll(async () => {
  await setupTools();
  folder = await mkdtemp(join(tmpdir(), "gl-hooks-"));
  server = createServer((request, response) => {
    void text(request).then((body) => {
      told.push({ url: request.url, type: request.headers["content-type"], body: JSON.parse(body) });
      response.writeHead(answer.status);
      for (const one of answer.said) response.write(one);
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(join(folder, "web.sock"), resolve));
}, 120_000);
afterAll(async () => {
  server.closeAllConnections();
  server.close();
  await rm(folder, { recursive: true });
});

async function runHook(hook: string, program: "lab-hook" | "node", env: Record<string, string> = {}) {
  const { exitCode, stdout, stderr } = await run(join(hooks, hook), [], {
    env: {
      PATH: process.env["PATH"],
      GITOPS_LAB_NODE: process.execPath,
      GITOPS_LAB_HOOK: program === "node" ? undefined : await toolPath("lab-hook"),
      GITOPS_LAB_HOOKS: join(folder, "web.sock"),
      GITOPS_LAB_PUSH: JSON.stringify({ learner: "ada", repository: "gitops", user: "ada" }),
      GIT_OBJECT_DIRECTORY: "./objects/incoming",
      GIT_QUARANTINE_PATH: "./objects/incoming",
      ...env,
    },
    input: lines,
    reject: false,
  });
  return { exitCode, stdout, stderr };
}

/** What came of a hook with each of the two, and what the lab was told. */
async function both(hook: string, env?: Record<string, string>) {
  const seen = [];
  for (const program of ["lab-hook", "node"] as const) {
    told.splice(0);
    seen.push({ ...(await runHook(hook, program, env)), told: [...told] });
  }
  expect(seen[0]).toEqual(seen[1]);
  return seen[0]!;
}

describe("the hooks", () => {
  test("tell the lab of the push and accept it", async () => {
    answer = { status: 200, said: [] };
    expect(await both("pre-receive")).toEqual({
      exitCode: 0,
      stdout: "",
      stderr: "",
      told: [
        {
          url: "/hooks/pre-receive",
          type: "application/json",
          body: {
            learner: "ada",
            repository: "gitops",
            user: "ada",
            refs: [
              { oldOid: "0".repeat(40), newOid: oid, ref: "refs/heads/main" },
              { oldOid: oid, newOid: "0".repeat(40), ref: "refs/heads/ä" },
            ],
            quarantine: { GIT_OBJECT_DIRECTORY: "./objects/incoming", GIT_QUARANTINE_PATH: "./objects/incoming" },
          },
        },
      ],
    });
  });

  test("refuse with the lab's words", async () => {
    answer = { status: 409, said: ["refused: overlays/production is not yours\n", "refused: ä\n"] };
    expect(await both("pre-receive")).toMatchObject({ exitCode: 1, stdout: answer.said.join("").trim(), stderr: "" });
  });

  test("show what comes of an accepted push", async () => {
    answer = { status: 200, said: ["Building.\n", "Built.\n"] };
    expect(await both("post-receive")).toMatchObject({ exitCode: 0, stdout: "Building.\nBuilt." });
  });

  test.each(["pre-receive", "post-receive"])("name no folder where neither program is there any more, as %s", async (hook) => {
    const gone = { GITOPS_LAB_HOOK: join(folder, "lab-hook"), GITOPS_LAB_NODE: join(folder, "node") };
    const { exitCode, stdout, stderr } = await runHook(hook, "lab-hook", gone);
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/[Tt]he lab does not answer/);
    expect(stderr).not.toContain(folder);
  });

  test("go on with Node where the program is gone", async () => {
    answer = { status: 409, said: ["refused: no\n"] };
    expect(await runHook("pre-receive", "lab-hook", { GITOPS_LAB_HOOK: join(folder, "lab-hook") })).toMatchObject({
      exitCode: 1,
      stdout: "refused: no",
      stderr: "",
    });
  });

  test.each(["pre-receive", "post-receive"])("say in a sentence that nobody answers a %s, and name no folder", async (hook) => {
    const { exitCode, stdout, stderr } = await both(hook, { GITOPS_LAB_HOOKS: join(folder, "nobody.sock") });
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/the lab does not answer|The lab does not answer/);
    expect(stderr).not.toContain(folder);
  });
});
