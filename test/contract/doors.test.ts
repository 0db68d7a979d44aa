import { once } from "node:events";
import { mkdtemp, writeFile } from "node:fs/promises";
import { request as plainRequest } from "node:http";
import { request, type RequestOptions } from "node:https";
import { connect, createServer, type Server } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Credential } from "../../host/access.ts";
import { writeDaemonConfig } from "../../host/processes/config.ts";
import { ensureServerCertificate } from "../../host/doors/authority.ts";
import { Doors } from "../../host/doors/doors.ts";
import { publicWeb } from "../../host/web/public.ts";
import { gitRepository, type GitRepositoryOutput } from "../../git-hosts/embedded/repository.ts";
import { imageRepository, type ImageRepositoryOutput } from "../../registries/embedded/repository.ts";
import { withRepository } from "../../host/images/crane.ts";
import { hostsToml, nodeRegistries } from "../../clusters/kind/config.ts";
import { leasePorts, releasePorts } from "../../ledger/ports.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { toolPath } from "../../tools/locate.ts";
import { registryReader } from "../../verification/registry-reader.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

const home = useLabHome();
const listen = "127.0.0.2";
let ca: string;
let ports: Record<"web" | "page", number>;
let apiPort: number;
let api: Server;
let server: LabServer;
let registry: RunningRegistry;
let doors: Doors;
let repository: GitRepositoryOutput;
let ada: ImageRepositoryOutput;
let bob: ImageRepositoryOutput;

const paths = () => cohortPaths("demo");
const configure = (open: boolean, at = listen) =>
  writeDaemonConfig({
    cohort: "demo",
    httpPort: server.port,
    registryPort: Number(registry.host.split(":")[1]),
    registryEventsToken: server.eventsToken,
    ...(open && { opening: { listen: at, name: at, port: ports.web, pagePort: ports.page } }),
  });

beforeAll(async () => {
  server = await startLabServer(paths());
  registry = await startRegistry(paths(), server);
  const images = async (learner: string) =>
    (await imageRepository.ensure({ cohort: "demo", learner, name: "backend", registry: registry.host })).output;
  [ada, bob] = [await images("ada"), await images("bob")];
  const seed = {
    files: { "README.md": "The lab of ada\n" },
    message: "Seed",
    author: { name: "Lab", email: "lab@localhost" },
    date: 1_767_225_600,
  };
  repository = (
    await gitRepository.ensure({ cohort: "demo", learner: "ada", repository: "gitops", baseUrl: server.url, branch: "main", seed })
  ).output;
  ports = await leasePorts("demo/host", ["web", "page"]);
  apiPort = (await leasePorts("demo/ada", ["api"])).api;
  // What is passed on is not looked at, so an echo is as good as an API server.
  api = createServer((socket) => socket.pipe(socket)).listen(apiPort, "127.0.0.1");
  await once(api, "listening");
  ca = await ensureServerCertificate(paths(), { listen, name: listen });
  await configure(true);
  doors = new Doors(
    paths(),
    publicWeb({ paths: paths(), hookSocket: join(paths().daemon, "control.sock"), registryPort: Number(registry.host.split(":")[1]) }),
  );
  await doors.reload();
});
afterAll(async () => {
  await configure(false);
  await doors.reload();
  api.close();
  await registry.stop();
  await server.close();
});

const basic = ({ username, password }: Credential) => ({
  authorization: `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`,
});
const learner = (of: ImageRepositoryOutput) => ({ username: of.username, password: of.password });
const gitLearner = () => ({ username: repository.learnerUsername, password: repository.learnerPassword });

/** The status, or the code of the error. */
function ask(
  path: string,
  options: RequestOptions = {},
): Promise<{ readonly status: number | string; readonly challenge: string | undefined; readonly body: string }> {
  return new Promise((resolve) => {
    request({ host: listen, port: ports.web, path, ca, agent: false, ...options }, (response) => {
      let body = "";
      response.setEncoding("utf8").on("data", (text: string) => (body += text));
      response.on("end", () => resolve({ status: response.statusCode ?? 0, challenge: response.headers["www-authenticate"], body }));
    })
      .on("error", (error: NodeJS.ErrnoException) => resolve({ status: error.code ?? error.message, challenge: undefined, body: "" }))
      .end();
  });
}

const git = "/git/ada/gitops.git/info/refs?service=git-upload-pack";
const tags = "/v2/ada/backend/tags/list";
const endpoints = [
  ["Git", git, gitLearner],
  ["the registry", "/v2/", () => learner(ada)],
  ["a list of tags", tags, () => learner(ada)],
] as const;

describe.each(endpoints)("%s", (what, path, credential) => {
  test("is nobody's that is trusted without the authority", async () =>
    expect((await ask(path, { ca: [] })).status).toMatch(/UNABLE_TO_VERIFY|SELF_SIGNED/));
  test("refuses who brings no credential", async () =>
    expect(await ask(path)).toMatchObject({ status: 401, challenge: 'Basic realm="gitops-lab"' }));
  test("refuses a wrong password", async () =>
    expect((await ask(path, { headers: basic({ ...credential(), password: "x" }) })).status).toBe(401));
  // There is no image yet.
  test("answers with both", async () =>
    expect((await ask(path, { headers: basic(credential()) })).status).toBe(what === "a list of tags" ? 404 : 200));
});

describe("the opened address", () => {
  test("speaks no plain HTTP", async () => {
    const answer = await new Promise<number | string>((resolve) =>
      plainRequest({ host: listen, port: ports.web, path: git, agent: false }, (response) => resolve(response.statusCode ?? 0))
        .on("error", (error: NodeJS.ErrnoException) => resolve(error.code ?? ""))
        .end(),
    );
    expect(answer).toBe("ECONNRESET");
  });

  test.each(["/registry/token?service=gitops-lab-registry", "/registry/events", "/processes", "/", "/git/", "/v2x"])(
    "has no %s",
    async (path) => expect((await ask(path, { headers: basic(learner(ada)) })).status).toBe(404),
  );

  test("shows one learner nothing of another", async () => {
    expect((await ask(git, { headers: basic({ username: "bob", password: "x" }) })).status).toBe(401);
    for (const path of [tags, "/v2/_catalog", "/v2/ada/backend/manifests/latest"])
      expect(await ask(path, { headers: basic(learner(bob)) })).toMatchObject({ status: 403, body: expect.stringContaining("DENIED") });
  });

  test("clones and pushes with Git", async () => {
    const folder = await mkdtemp(join(home(), "clone-"));
    await writePrivateFile(join(folder, "credentials"), `https://ada:${repository.learnerPassword}@${listen}:${ports.web}\n`);
    await writePrivateFile(join(folder, "ca.crt"), ca);
    const env = { PATH: process.env["PATH"] ?? "", HOME: folder, GIT_CONFIG_NOSYSTEM: "1", GIT_TERMINAL_PROMPT: "0" };
    const call = (...args: string[]) =>
      run(
        "git",
        [
          "-c",
          `credential.helper=store --file=${folder}/credentials`,
          "-c",
          `http.sslCAInfo=${folder}/ca.crt`,
          "-c",
          "user.name=Ada",
          "-c",
          "user.email=ada@example.org",
          ...args,
        ],
        { cwd: folder, env, extendEnv: false },
      );
    await call("clone", "--quiet", `https://${listen}:${ports.web}/git/ada/gitops.git`, "work");
    await writeFile(join(folder, "work", "large"), Buffer.alloc(3 << 20, "large "));
    await call("-C", "work", "add", "large");
    await call("-C", "work", "commit", "--quiet", "--message", "Large");
    await call("-C", "work", "push", "--quiet");
    expect(server.pushes.at(-1)).toMatchObject({ learner: "ada", user: "ada" });
  });

  test("pushes, mounts, pulls and tags with crane; deleting is the pipeline's alone", async () => {
    const folder = await makePrivateFolder(join(home(), "crane"));
    const host = `${listen}:${ports.web}`;
    const login = async (credential: Credential) =>
      writePrivateFile(
        join(folder, "config.json"),
        JSON.stringify({ auths: { [host]: { auth: basic(credential).authorization.slice("Basic ".length) } } }),
      );
    await writePrivateFile(join(folder, "ca.crt"), ca);
    const tool = await toolPath("crane");
    const crane = async (...args: string[]) =>
      (await run(tool, args, { env: { DOCKER_CONFIG: folder, SSL_CERT_FILE: join(folder, "ca.crt") }, extendEnv: false })).stdout;
    const layer = join(folder, "layer.tar");
    await writeFile(join(folder, "content"), Buffer.alloc(2 << 20, "layer "));
    await run("tar", ["--create", "--file", layer, "--directory", folder, "content"]);
    await login(learner(ada));
    await crane("append", "--oci-empty-base", "--new_layer", layer, "--new_tag", `${host}/ada/backend:one`);
    await crane("copy", `${host}/ada/backend:one`, `${host}/ada/other:one`);
    await crane("tag", `${host}/ada/backend:one`, "two");
    expect((await crane("ls", `${host}/ada/backend`)).split("\n").sort()).toEqual(["one", "two"]);
    await crane("pull", `${host}/ada/other:one`, join(folder, "pulled.tar"));
    await expect(crane("delete", `${host}/ada/backend:two`)).rejects.toThrow(/DENIED|403/);
    await login(learner(bob));
    await expect(crane("manifest", `${host}/ada/backend:one`)).rejects.toThrow(/DENIED|403/);
    await login({ username: ada.pipelineUsername, password: ada.pipelinePassword });
    await crane("delete", `${host}/ada/backend:two`);
    expect(await crane("ls", `${host}/ada/backend`)).toBe("one");
  });

  test("is what a node of kind is told of: images by that name, trusting the authority beside it alone, with what may only pull", async () => {
    const host = `${listen}:${ports.web}`;
    const told = hostsToml({ host, ca });
    const server = /^server = "(.*)"$/m.exec(told)?.[1];
    expect(told).toContain(`ca = "${nodeRegistries}/${host}/ca.crt"`);
    const pull = basic({ username: ada.fluxUsername, password: ada.fluxPassword });
    const get = (path: string, method = "GET") =>
      new Promise<{ status: number; digest: string | undefined }>((resolve, reject) => {
        const accept = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json";
        request(new URL(path, server), { ca, agent: false, method, headers: { ...pull, accept } }, (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, digest: response.headers["docker-content-digest"] as string | undefined });
        })
          .on("error", reject)
          .end();
      });
    const access = {
      repository: `${host}/ada/backend`,
      username: ada.username,
      password: ada.password,
      insecure: false,
      local: ada.repository,
    };
    // The lab itself comes to the same image over loopback, by the name that Git and the cluster have for it.
    const digest = await withRepository(access, (client) => client.digest("one"));
    expect(await get("/v2/ada/backend/manifests/one")).toEqual({ status: 200, digest });
    expect((await registryReader({ kind: "embedded", ...access }, AbortSignal.timeout(5000)).manifest("one"))?.digest).toBe(digest);
    expect((await get("/v2/ada/backend/blobs/uploads/", "POST")).status).toBe(403);
  });

  test("passes bytes on to an API server's port, until the learner has none", async () => {
    const socket = connect(apiPort, listen);
    socket.write("as they come");
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toBe("as they come");
    await releasePorts("demo/ada");
    expect((await doors.reload()).map(({ name }) => name)).toEqual(["web"]);
    await once(socket, "close");
  });

  test("says why it is shut, and opens when it can", async () => {
    await configure(true, "192.0.2.1");
    expect(await doors.reload()).toEqual([
      { name: "web", listen: "192.0.2.1", port: ports.web, trouble: "192.0.2.1 is no address of this machine" },
    ]);
    expect((await ask("/v2/")).status).toBe("ECONNREFUSED");
    const other = createServer().listen(ports.web, listen);
    await once(other, "listening");
    await configure(true);
    expect((await doors.reload())[0]!.trouble).toContain("another program listens");
    await new Promise((resolve) => other.close(resolve));
    expect((await doors.reload())[0]!.trouble).toBeUndefined();
    expect((await ask("/v2/", { headers: basic(learner(ada)) })).status).toBe(200);
  });
});
