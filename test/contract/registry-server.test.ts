import { existsSync } from "node:fs";
import { mkdtemp, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { generateKeyPair, SignJWT, type CryptoKey } from "jose";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Credential } from "../../host/access.ts";
import { imageRepository, type ImageRepositoryOutput } from "../../registries/embedded/repository.ts";
import { learnerImages } from "../../host/registry/config.ts";
import { readSigningKey } from "../../host/registry/signing-key.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { CraneClient } from "../support/crane-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { eventually, startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

const home = useLabHome();
let server: LabServer;
let registry: RunningRegistry;
let ada: ImageRepositoryOutput;
let bob: ImageRepositoryOutput;
let layer: string;

const repositoryOf = (learner: string) => imageRepository.ensure({ cohort: "demo", learner, name: "backend", registry: registry.host });

beforeAll(async () => {
  const paths = cohortPaths("demo");
  server = await startLabServer(paths);
  registry = await startRegistry(paths, server);
  ada = (await repositoryOf("ada")).output;
  bob = (await repositoryOf("bob")).output;
  const folder = await mkdtemp(join(home(), "layer-"));
  await writeFile(join(folder, "content"), "content of a layer\n");
  layer = join(folder, "layer.tar");
  await run("tar", ["--create", "--file", layer, "--directory", folder, "content"]);
});
afterAll(async () => {
  await registry.stop();
  await server.close();
});
beforeEach(() => void server.imagePushes.splice(0));

/** A refusal of a HEAD request has no body that says so. */
const refused = /UNAUTHORIZED|401 Unauthorized/;
const client = (credential: Credential | undefined) => new CraneClient(home(), registry.host, credential);
const own = (of: ImageRepositoryOutput) => client({ username: of.username, password: of.password });
const flux = (of: ImageRepositoryOutput) => client({ username: of.fluxUsername, password: of.fluxPassword });
const push = (from: CraneClient, image: string) => from.crane("append", "--oci-empty-base", "--new_layer", layer, "--new_tag", image);

describe("a learner", () => {
  test("pushes to the own path and pulls from it; the lab hears of the tag", async () => {
    const pushed = await push(own(ada), `${ada.repository}:one`);
    const digest = await own(ada).crane("digest", `${ada.repository}:one`);
    expect(pushed).toContain(digest);
    const target = join(home(), "pulled.tar");
    await own(ada).crane("pull", `${ada.repository}:one`, target);
    expect((await stat(target)).size).toBeGreaterThan(0);
    await eventually("the push", () => server.imagePushes.length > 0);
    expect(server.imagePushes).toEqual([{ learner: "ada", repository: "ada/backend", tag: "one", digest }]);
  });

  test("gives an image another tag, whose digest is the same", async () => {
    await push(own(ada), `${ada.repository}:two`);
    await own(ada).crane("tag", `${ada.repository}:two`, "three");
    await eventually("the tag", () => server.imagePushes.some(({ tag }) => tag === "three"));
    expect(new Set(server.imagePushes.map(({ digest }) => digest)).size).toBe(1);
    expect((await own(ada).crane("ls", ada.repository)).split("\n")).toEqual(expect.arrayContaining(["two", "three"]));
  });

  test("takes another learner's image neither by pull, nor by copy, nor by tag list", async () => {
    await push(own(bob), `${bob.repository}:private`);
    await expect(own(ada).crane("manifest", `${bob.repository}:private`)).rejects.toThrow(refused);
    await expect(own(ada).crane("ls", bob.repository)).rejects.toThrow(refused);
    await expect(own(ada).crane("copy", `${bob.repository}:private`, `${ada.repository}:stolen`)).rejects.toThrow(refused);
  });

  test("does not push to another learner's path, nor outside of all", async () => {
    await expect(push(own(ada), `${bob.repository}:forged`)).rejects.toThrow(refused);
    await expect(push(own(ada), `${registry.host}/backend:forged`)).rejects.toThrow(refused);
    expect(await own(bob).crane("ls", bob.repository)).not.toContain("forged");
  });

  test("does not list the catalog", async () => {
    await expect(own(ada).crane("catalog", registry.host)).rejects.toThrow(refused);
  });
});

test("Flux pulls and does not push", async () => {
  await push(own(ada), `${ada.repository}:for-flux`);
  expect(await flux(ada).crane("ls", ada.repository)).toContain("for-flux");
  await expect(push(flux(ada), `${ada.repository}:by-flux`)).rejects.toThrow(refused);
});

test("whoever has no credential gets nothing, and a wrong one gets no more than an unknown learner's", async () => {
  await expect(client(undefined).crane("ls", ada.repository)).rejects.toThrow(refused);
  const answers = await Promise.all(
    ["ada:wrong", "eve:wrong", "ada.flux:wrong", "../ada:wrong"].map(async (credential) => {
      const answer = await fetch(`${server.url}/registry/token`, { headers: { authorization: `Basic ${btoa(credential)}` } });
      return { status: answer.status, text: await answer.text() };
    }),
  );
  expect(answers[0]?.status).toBe(401);
  for (const answer of answers) expect(answer).toEqual(answers[0]);
});

describe("the registry", () => {
  const access = [{ type: "repository", name: "ada/backend", actions: ["pull"] }];
  const now = Math.floor(Date.now() / 1000);
  const answerTo = async (claims: object, key: CryptoKey, kid: string) => {
    const token = await new SignJWT({ iss: "gitops-lab", aud: "gitops-lab-registry", sub: "ada", exp: now + 300, access, ...claims })
      .setProtectedHeader({ alg: "ES256", kid })
      .sign(key);
    return (await fetch(`http://${registry.host}/v2/ada/backend/tags/list`, { headers: { authorization: `Bearer ${token}` } })).status;
  };

  test("takes a token only from the daemon, for itself, and in time", async () => {
    await push(own(ada), `${ada.repository}:any`);
    const { key, id } = await readSigningKey(cohortPaths("demo"));
    const { privateKey: forged } = await generateKeyPair("ES256");
    expect(await answerTo({}, key, id)).toBe(200);
    expect(await answerTo({}, forged, id)).toBe(401);
    // The registry allows for clocks that are 60 s apart.
    expect(await answerTo({ exp: now - 61 }, key, id)).toBe(401);
    expect(await answerTo({ aud: "another registry" }, key, id)).toBe(401);
    expect(await answerTo({ iss: "another lab" }, key, id)).toBe(401);
    expect(await answerTo({ access: [] }, key, id)).toBe(401);
  });

  test("keeps the key and the secret of its notifications to itself", async () => {
    for (const file of ["config.yml", "signing-key.json", "jwks.json"]) {
      expect((await stat(join(cohortPaths("demo").registry, file))).mode & 0o777).toBe(0o600);
    }
    expect(JSON.parse(await readFile(join(cohortPaths("demo").registry, "jwks.json"), "utf8")).keys[0]).not.toHaveProperty("d");
  });
});

test("only the registry reports events", async () => {
  const body = JSON.stringify({ events: [{ action: "push", target: { repository: "ada/backend", tag: "x", digest: "sha256:0" } }] });
  const report = async (authorization: string) =>
    (await fetch(`${server.url}/registry/events`, { method: "POST", headers: { authorization }, body })).status;
  expect(await report("Bearer guessed")).toBe(401);
  expect(server.imagePushes).toEqual([]);
  expect(await report(`Bearer ${server.eventsToken}`)).toBe(200);
  expect(server.imagePushes).toHaveLength(1);
});

describe("the driver", () => {
  test("gives the same again", async () => {
    const first = await repositoryOf("ada");
    expect(await repositoryOf("ada")).toEqual(first);
    expect(await imageRepository.read(first.id, first.output)).toEqual(first.output);
  });

  test("removes one learner's images and access, and may do so twice", async () => {
    const eve = await repositoryOf("eve");
    await push(own(eve.output), `${eve.output.repository}:last`);
    await push(own(bob), `${bob.repository}:stays`);
    await imageRepository.remove(eve.id, eve.output);
    await imageRepository.remove(eve.id, eve.output);
    expect(await imageRepository.read(eve.id, eve.output)).toBeUndefined();
    expect(existsSync(learnerImages(cohortPaths("demo"), "eve"))).toBe(false);
    await expect(own(eve.output).crane("ls", eve.output.repository)).rejects.toThrow(refused);
    // Both images share their layer.
    await own(bob).crane("pull", `${bob.repository}:stays`, join(home(), "stays.tar"));
    // A learner who comes back starts empty and can push the same image, which outlives what the registry has in memory.
    const back = (await repositoryOf("eve")).output;
    await expect(own(back).crane("ls", back.repository)).rejects.toThrow(/NAME_UNKNOWN/);
    await push(own(back), `${back.repository}:first`);
    await registry.stop();
    registry = await startRegistry(cohortPaths("demo"), server);
    await own(back).crane("pull", `${back.repository}:first`, join(home(), "first.tar"));
  });
});
