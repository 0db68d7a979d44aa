import { mkdtemp, readdir, readFile, rm, symlink } from "node:fs/promises";
import { createServer as createPlainServer, type RequestListener, type Server as HttpServer, type ServerResponse } from "node:http";
import { createServer, type Server } from "node:https";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { credentialFiles } from "../../cli/learner-files.ts";
import { newAuthority, type Authority } from "../../host/certificates.ts";
import { kubeconfig } from "../../clusters/embedded/control-plane/kubeconfig.ts";
import { gitRepository } from "../../git-hosts/embedded/repository.ts";
import { checkScript } from "../../lab-templates/handout/check-script.ts";
import { handoutOf } from "../../lab-templates/handout/document.ts";
import { labTemplate } from "../../lab-templates/templates.ts";
import { run } from "../../shared/exec.ts";
import { kubeconfigFor } from "../../shared/kubeconfig.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { useLabHome } from "../support/lab-home.ts";
import { LabState } from "../support/lab-state.ts";
import { startLabServer } from "../support/lab-server.ts";

useLabHome();

let authority: Authority;
let server: Server;
let port: number;
/** The same without TLS. */
let plain: HttpServer;
let plainPort: number;
let folder: string;
/** What the one server, which stands for all of the lab's, answers; by default that all is well. */
let answer: (path: string) => number;
const asked: { readonly path: string; readonly authorization: string | undefined }[] = [];

/** An empty repository, as `git http-backend` advertises it. */
function answerGit(outgoing: ServerResponse): void {
  outgoing.writeHead(200, { "content-type": "application/x-git-upload-pack-advertisement" });
  outgoing.end("001e# service=git-upload-pack\n00000000");
}

const well = (path: string) => (path === "/me" ? 401 : 200);

beforeAll(async () => {
  authority = await newAuthority("an authority");
  const { certificate: cert, key } = await authority.issueServer("test", [
    { type: "ip", value: "127.0.0.1" },
    { type: "dns", value: "kubernetes.default.svc" },
  ]);
  const serve: RequestListener = (incoming, outgoing) => {
    const { authorization, "user-agent": agent = "" } = incoming.headers;
    if (agent.startsWith("git/")) return void answerGit(outgoing);
    asked.push({ path: incoming.url ?? "", authorization });
    outgoing.writeHead(answer(incoming.url ?? "")).end("{}");
  };
  server = createServer({ cert, key }, serve);
  plain = createPlainServer(serve);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  port = (server.address() as AddressInfo).port;
  await new Promise<void>((resolve) => plain.listen(0, "127.0.0.1", resolve));
  plainPort = (plain.address() as AddressInfo).port;
});
afterAll(() => Promise.all([server, plain].map((one) => new Promise((resolve) => one.close(resolve)))));
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "gitops-lab-check-"));
  answer = well;
  asked.length = 0;
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A folder for PATH, with these programs and what every POSIX system has. */
async function programsOf(...names: readonly string[]): Promise<string> {
  const programs = join(folder, "programs");
  await makePrivateFolder(programs);
  for (const name of ["sh", "sed", "dirname", "mktemp", "rm", "tail", "env", ...names]) {
    const { stdout } = await run("which", [name], { lines: false });
    await symlink(stdout, join(programs, name));
  }
  return programs;
}

async function learnerAt(host: string, ca = authority): Promise<LearnerOutputs> {
  const pair = await authority.issueClient("gitops-lab:learner", []);
  const api = `https://${host}`;
  const open = {
    name: "127.0.0.1",
    ca: ca.certificate,
    page: api,
    apiServer: api,
    kubeconfig: kubeconfig("x", api, ca.certificate, "ada", pair, "kubernetes.default.svc"),
    gitUrl: `${api}/git/ada/gitops.git`,
    repository: `${host}/ada/backend`,
  };
  return { ...new LabState().learner, open };
}

async function check(
  learner: LearnerOutputs,
  path = process.env["PATH"] ?? "",
  environment: NodeJS.ProcessEnv = {},
): Promise<{ readonly exitCode: number | undefined; readonly lines: string[] }> {
  for (const [name, content] of Object.entries({ ...credentialFiles(learner), "check.sh": checkScript(learner) })) {
    await makePrivateFolder(join(folder, name, ".."));
    await writePrivateFile(join(folder, name), content);
  }
  const { exitCode, stdout } = await run("/bin/sh", ["check.sh"], {
    cwd: folder,
    env: { PATH: path, TMPDIR: folder, HOME: folder, GIT_CONFIG_NOSYSTEM: "1", ...environment },
    extendEnv: false,
    reject: false,
  });
  return { exitCode, lines: stdout.split("\n") };
}

const here = () => `127.0.0.1:${port}`;

describe("the check script", () => {
  test("asks each with the learner's credential, says that all is well, and leaves nothing", async () => {
    const { exitCode, lines } = await check(await learnerAt(here()));
    expect(exitCode).toBe(0);
    expect(lines.map((line) => line.split(/\s+/).slice(0, 2).join(" "))).toEqual(["ok cluster", "ok git", "ok images", "ok page"]);
    const sent = (user: string, password: string) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;
    expect(asked).toEqual([
      { path: "/readyz", authorization: undefined },
      { path: "/git/ada/gitops.git/info/refs?service=git-upload-pack", authorization: sent("ada", "git-secret") },
      { path: "/v2/ada/backend/tags/list", authorization: sent("ada", "registry-secret") },
      { path: "/me", authorization: undefined },
    ]);
    expect((await readdir(folder)).filter((name) => name.startsWith("tmp."))).toEqual([]);
  });

  test("finds what is beside it, whatever CDPATH and TMPDIR say", async () => {
    await check(await learnerAt(here()));
    asked.length = 0;
    // A handout of the same name elsewhere, which CDPATH leads to.
    const elsewhere = join(folder, "elsewhere", basename(folder));
    await makePrivateFolder(elsewhere);
    const { exitCode, stdout } = await run("/bin/sh", [join(basename(folder), "check.sh")], {
      cwd: dirname(folder),
      env: { PATH: process.env["PATH"] ?? "", HOME: folder, GIT_CONFIG_NOSYSTEM: "1", CDPATH: dirname(elsewhere), TMPDIR: "/nowhere" },
      extendEnv: false,
      reject: false,
    });
    expect(stdout.split("\n").map((line) => line.split(/\s+/)[0])).toEqual(["ok", "ok", "ok", "ok"]);
    expect(exitCode).toBe(0);
  });

  test.each([
    ["401", /^FAIL git .*: 401, your credential is refused/],
    ["403", /^FAIL git .*: 403, your credential is known/],
    ["404", /^FAIL git .*: 404, it is not there/],
    ["503", /^FAIL git .*: 503, out of service/],
    ["500", /^FAIL git .*: answered 500$/],
  ])("tells of an answer %s", async (status, says) => {
    answer = (path) => (path.startsWith("/git") ? Number(status) : well(path));
    const { exitCode, lines } = await check(await learnerAt(here()));
    expect(exitCode).toBe(1);
    expect(lines.map((line) => line.replace(/ +/g, " ")).filter((line) => line.startsWith("FAIL"))).toEqual([expect.stringMatching(says)]);
  });

  test("asks the cluster with a token where the kubeconfig has one, and others' Git and registry for no more than an answer", async () => {
    const { learner } = new LabState();
    const own: LearnerOutputs = {
      ...learner,
      cluster: {
        ...learner.cluster,
        apiServer: `https://${here()}`,
        kubeconfig: kubeconfigFor(
          "x",
          { server: `https://${here()}`, "certificate-authority-data": Buffer.from(authority.certificate).toString("base64") },
          { token: "a.learner.token" },
        ),
      },
      git: { ...learner.git, url: `http://127.0.0.1:${plainPort}/org/demo-ada`, password: "" },
      registry: { ...learner.registry, repository: `127.0.0.1:${plainPort}/org/demo-ada/backend`, shared: true },
    };
    answer = (path) => (path === "/readyz" ? 200 : 401);
    const { exitCode, lines } = await check(own);
    expect(lines).toEqual([
      expect.stringMatching(/^ok +cluster/),
      expect.stringMatching(/^ok +git .*an account of your own$/),
      expect.stringMatching(/^ok +images .*an account of your own$/),
    ]);
    expect(exitCode).toBe(0);
    expect(asked).toEqual([
      { path: "/readyz", authorization: "Bearer a.learner.token" },
      { path: "/org/demo-ada/info/refs?service=git-upload-pack", authorization: undefined },
      { path: "/v2/", authorization: undefined },
    ]);
    answer = (path) => (path === "/readyz" ? 200 : 404);
    expect((await check(own)).lines.map((line) => line.slice(0, 4).trim())).toEqual(["ok", "FAIL", "FAIL"]);
  });

  test("tells of another authority, of a port that nobody listens on, and of a name that leads nowhere", async () => {
    const reasons = async (learner: LearnerOutputs) => {
      const { exitCode, lines } = await check(learner);
      expect(exitCode).toBe(1);
      return lines.slice(0, 3).map((line) => /: (\w+): /.exec(line)?.[1]);
    };
    expect(await reasons(await learnerAt(here(), await newAuthority("another")))).toEqual(["TLS", "TLS", "TLS"]);
    expect(asked).toEqual([]);
    expect(await reasons(await learnerAt("127.0.0.1:1"))).toEqual(["refused", "refused", "refused"]);
    expect(await reasons(await learnerAt(`no-such-name.invalid:${port}`))).toEqual(["DNS", "DNS", "DNS"]);
  });

  test.each(["with curl", "without"])(
    "tells of an authority that git takes from the environment in place of the lab's, %s",
    async (curl) => {
      const learner = await learnerAt(here());
      const others = join(folder, "others.crt");
      await writePrivateFile(others, (await newAuthority("another")).certificate);
      const path = curl === "without" ? await programsOf("git") : process.env["PATH"];
      const lines = async (environment: NodeJS.ProcessEnv) => (await check(learner, path, environment)).lines;
      const gitLine = async (environment: NodeJS.ProcessEnv) => (await lines(environment)).find((line) => / git /.test(line));
      expect(await gitLine({})).toMatch(/^ok /);
      expect(await gitLine({ GIT_SSL_CAINFO: others })).toMatch(
        /^FAIL .*certificate.*; GIT_SSL_CAINFO is set here and comes before ca\.crt: unset GIT_SSL_CAINFO in every shell/,
      );
      // The page's own setting is for its address, and comes before what is for all.
      const configured = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "http.sslCAInfo", GIT_CONFIG_VALUE_0: others };
      expect(await gitLine(configured)).toMatch(/^ok /);
      expect(await gitLine({ https_proxy: "http://127.0.0.1:1", no_proxy: "" })).toMatch(/^FAIL (?!.*unset)/);
    },
  );

  test("tells of what git alone can't do", async () => {
    const redirected = { GIT_CONFIG_COUNT: "1", GIT_CONFIG_KEY_0: "http.proxy", GIT_CONFIG_VALUE_0: "http://127.0.0.1:1" };
    const { exitCode, lines } = await check(await learnerAt(here()), process.env["PATH"], redirected);
    expect(exitCode).toBe(1);
    expect(lines.filter((line) => line.startsWith("FAIL"))).toEqual([
      expect.stringMatching(/^FAIL git .*: is reached, but git says: fatal: /),
    ]);
  });

  test("asks with git where there is no curl, and says what it could not look at", async () => {
    const programs = await programsOf("git");
    const lab = await startLabServer(cohortPaths("demo"));
    try {
      const seed = { files: { a: "a\n" }, message: "Seed", author: { name: "Lab", email: "lab@localhost" }, date: 1_767_225_600 };
      const { output } = await gitRepository.ensure({
        cohort: "demo",
        learner: "ada",
        repository: "gitops",
        baseUrl: lab.url,
        branch: "main",
        seed,
      });
      const learner = new LabState().learner;
      const { exitCode, lines } = await check(
        { ...learner, git: { ...learner.git, url: output.url, password: output.learnerPassword } },
        programs,
      );
      expect(lines.map((line) => line.replace(/ +/g, " "))).toEqual([
        "? cluster neither curl nor kubectl is here",
        `ok git ${output.url}`,
        "? images needs curl",
      ]);
      expect(exitCode).toBe(3);
      expect(await check({ ...learner, git: { ...learner.git, url: output.url, password: "x" } }, programs)).toMatchObject({
        exitCode: 1,
        lines: [expect.anything(), expect.stringMatching(/^FAIL git .*(Authentication failed|could not read)/), expect.anything()],
      });
    } finally {
      await lab.close();
    }
  });

  test("holds no credential, and neither does the page, which names the opened address", async () => {
    const learner = await learnerAt("lab.example.org:20001");
    const page = handoutOf({ course: "x", cohort: "demo", simulated: [] }, learner, labTemplate("gitops-promotion"));
    for (const secret of [learner.git.password, learner.registry.password])
      for (const text of [page, checkScript(learner)]) expect(text).not.toContain(secret);
    expect(page).toContain('-c "http.https://lab.example.org:20001/git/ada/gitops.git.sslCAInfo=$HANDOUT/ca.crt"');
    expect(page).toContain("`crane ls lab.example.org:20001/ada/backend`");
    expect(page).not.toContain(learner.git.url);
    expect(page).not.toContain("--insecure");
    expect(await readFile(new URL("../../lab-templates/handout/check-script.ts", import.meta.url), "utf8")).not.toContain("--user ");
  });
});
