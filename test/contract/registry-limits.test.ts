import { createHash } from "node:crypto";
import { readdir } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { imageStorage } from "../../host/registry/config.ts";
import { ImageQuota, largestManifest } from "../../host/registry/image-quota.ts";
import { imageUsage } from "../../host/registry/image-usage.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { useLabHome } from "../support/lab-home.ts";
import { eventually, startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

const KiB = 1024;
const MiB = 1024 * KiB;
const limits = { layer: MiB, images: 8 * MiB, repositories: 3, tags: 4 };

useLabHome();
const paths = () => cohortPaths("demo");
const refusals: [string, string, string][] = [];
let server: LabServer;
let registry: RunningRegistry;

beforeAll(async () => {
  server = await startLabServer(paths());
  const quota = new ImageQuota({
    storage: imageStorage(paths()),
    limits: async () => limits,
    onRefused: (...refusal) => refusals.push(refusal),
  });
  registry = await startRegistry(paths(), server, quota);
});
afterAll(async () => {
  await registry.stop();
  await server.close();
});

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** A client that sends what it is told to, where a well-behaved one would stop by itself. */
class Pusher {
  readonly #token: string;
  readonly #name: string;

  constructor(token: string, name: string) {
    this.#token = token;
    this.#name = name;
  }

  /** @param chunked sends no length along */
  ask(method: string, path: string, body: Buffer = Buffer.alloc(0), chunked = false, type = "application/octet-stream"): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const headers = {
        ...(this.#token !== "" && { authorization: `Bearer ${this.#token}` }),
        "content-type": type,
        ...(chunked ? { "transfer-encoding": "chunked" } : { "content-length": body.length }),
      };
      const asking = request(new URL(path, `http://${registry.host}`), { method, headers, agent: false }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (piece: string) => (text += piece));
        response.on("end", () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }));
      });
      asking.on("error", reject);
      for (let at = 0; at < body.length; at += 64 * KiB) asking.write(body.subarray(at, at + 64 * KiB));
      asking.end();
    });
  }

  async begin(): Promise<string> {
    const { status, headers, body } = await this.ask("POST", `/v2/${this.#name}/blobs/uploads/`);
    if (status !== 202) throw new Error(body);
    return String(headers["location"]);
  }

  /** Pushes a blob as a whole. */
  async blob(content: Buffer, chunked = false): Promise<Answer> {
    const location = await this.begin();
    return this.ask("PUT", `${location}&digest=${digestOf(content)}`, content, chunked);
  }

  async manifest(reference: string, document: object): Promise<Answer> {
    return this.ask(
      "PUT",
      `/v2/${this.#name}/manifests/${reference}`,
      Buffer.from(JSON.stringify(document)),
      false,
      String((document as { mediaType: string }).mediaType),
    );
  }

  /** A manifest of which every part is there. */
  async image(reference: string, config: object = {}): Promise<Answer> {
    const content = Buffer.from(JSON.stringify(config));
    await this.blob(content);
    const mediaType = "application/vnd.oci.image.manifest.v1+json";
    const described = { mediaType: "application/vnd.oci.image.config.v1+json", digest: digestOf(content), size: content.length };
    return this.manifest(reference, { schemaVersion: 2, mediaType, config: described, layers: [] });
  }
}

const digestOf = (content: Buffer) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
let count = 0;
const bytes = (length: number) => Buffer.alloc(length, `${(count += 1)} `);

async function pusher(learner: string, repository = "backend", as: "own" | "pipeline" = "own"): Promise<Pusher> {
  const { output } = await imageRepository.ensure({ cohort: "demo", learner, name: repository, registry: registry.host });
  const name = `${learner}/${repository}`;
  const credential = as === "own" ? `${output.username}:${output.password}` : `${output.pipelineUsername}:${output.pipelinePassword}`;
  const { token } = (await (
    await fetch(`${server.url}/registry/token?scope=repository:${name}:pull,push,delete`, {
      headers: { authorization: `Basic ${btoa(credential)}` },
    })
  ).json()) as { token: string };
  return new Pusher(token, name);
}

const codeOf = ({ body }: Answer) => (JSON.parse(body) as { errors: { code: string; message: string }[] }).errors[0];
const uploadsOf = (learner: string) =>
  readdir(join(imageStorage(paths()), "repositories", learner, "backend", "_uploads")).catch(() => [] as string[]);

describe("a layer that is larger than a layer may be", () => {
  test("is refused by the length that is told, with the limit and what to do", async () => {
    const ada = await pusher("ada");
    const answer = await ada.blob(bytes(MiB + 1));
    expect(answer.status).toBe(413);
    expect(codeOf(answer)).toMatchObject({
      code: "SIZE_INVALID",
      message: "A layer of an image may have 1 MiB, and this one has more. Make it smaller.",
    });
    expect(refusals).toContainEqual(["ada", "layer", expect.stringContaining("1 MiB")]);
    expect((await ada.blob(bytes(MiB))).status).toBe(201);
  });

  test("is counted while it comes where no length is told, and nothing of it stays", async () => {
    const ada = await pusher("ada");
    const before = await uploadsOf("ada");
    const location = await ada.begin();
    const answer = await ada.ask("PATCH", location, bytes(8 * MiB), true);
    expect([answer.status, codeOf(answer)?.code]).toEqual([413, "SIZE_INVALID"]);
    await eventually("the upload to go", async () => (await uploadsOf("ada")).length === before.length);
  });

  test("is counted over all parts of an upload", async () => {
    const ada = await pusher("ada");
    const first = await ada.ask("PATCH", await ada.begin(), bytes(600 * KiB));
    expect(first.status).toBe(202);
    const answer = await ada.ask("PATCH", String(first.headers["location"]), bytes(600 * KiB));
    expect([answer.status, codeOf(answer)?.code]).toEqual([413, "SIZE_INVALID"]);
  });
});

test("a manifest larger than other registries take is refused, with a length or without", async () => {
  const ada = await pusher("ada");
  for (const chunked of [false, true]) {
    const answer = await ada.ask(
      "PUT",
      "/v2/ada/backend/manifests/large",
      bytes(largestManifest + 1),
      chunked,
      "application/vnd.oci.image.manifest.v1+json",
    );
    expect([answer.status, codeOf(answer)?.code]).toEqual([413, "SIZE_INVALID"]);
  }
});

describe("all images of a learner", () => {
  test("stay within what they may take, also pushed at once, and another learner feels nothing of it", async () => {
    const cho = await pusher("cho");
    const answers = await Promise.all(Array.from({ length: 12 }, () => cho.blob(bytes(900 * KiB), count % 2 === 0)));
    const statuses = answers.map(({ status }) => status);
    expect(statuses.filter((status) => status === 201).length).toBeGreaterThanOrEqual(2);
    const refused = answers.find(({ status }) => status === 403)!;
    expect(codeOf(refused)).toMatchObject({ code: "DENIED", message: expect.stringMatching(/may take 8 MiB .*`limits\.disk\.images`/) });
    await eventually("what was refused to go", async () => (await imageUsage(imageStorage(paths()), "cho")).bytes <= limits.images);
    expect(refusals.filter(([learner, limit]) => learner === "cho" && limit === "disk.images")).toHaveLength(1);
    expect((await (await pusher("dan")).blob(bytes(900 * KiB))).status).toBe(201);
  });

  test("count uploads that nobody ends, however small", async () => {
    const eve = await pusher("eve");
    let begun = 0;
    await expect(
      (async () => {
        for (; begun < 1000; begun += 1) await eve.begin();
      })(),
    ).rejects.toThrow("DENIED");
    expect(begun).toBeLessThan(600);
  });

  test("have so many repositories and tags, and those that are there can still be pushed to", async () => {
    const fay = await pusher("fay");
    for (const tag of ["a", "b", "c", "d"]) expect((await fay.image(tag)).status).toBe(201);
    const answer = await fay.image("e");
    expect([answer.status, codeOf(answer)?.code]).toEqual([403, "DENIED"]);
    expect((await fay.image("a", { changed: true })).status).toBe(201);
    for (const other of ["two", "three"]) expect((await (await pusher("fay", other)).begin()).length).toBeGreaterThan(0);
    await expect((await pusher("fay", "four")).begin()).rejects.toThrow("DENIED");
    expect((await fay.begin()).length).toBeGreaterThan(0);
  });

  test("may be pushed again after the pipeline took a tag away", async () => {
    const gus = await pusher("gus");
    for (const tag of ["a", "b", "c", "d"]) await gus.image(tag);
    expect((await (await pusher("gus", "backend", "pipeline")).ask("DELETE", "/v2/gus/backend/manifests/a")).status).toBe(202);
    expect((await gus.image("e")).status).toBe(201);
  });
});

describe("what a learner could not push anyway", () => {
  test("is refused by the registry before its body is read", async () => {
    const anybody = new Pusher("", "");
    const answer = await anybody.ask("PUT", "/v2/ada/backend/manifests/x", bytes(8 * MiB), true);
    expect([answer.status, codeOf(answer)?.code]).toEqual([401, "UNAUTHORIZED"]);
  });

  test("a list of images that names itself, or one that is not there, is no list", async () => {
    const ada = await pusher("ada");
    const mediaType = "application/vnd.oci.image.index.v1+json";
    const missing = { mediaType, digest: digestOf(bytes(10)), size: 10 };
    const answer = await ada.manifest("loop", { schemaVersion: 2, mediaType, manifests: [missing] });
    expect([answer.status, codeOf(answer)?.code]).toEqual([400, "MANIFEST_BLOB_UNKNOWN"]);
  });

  test("a list within a list within a list costs its own bytes", async () => {
    const hal = await pusher("hal");
    const mediaType = "application/vnd.oci.image.index.v1+json";
    let last: { mediaType: string; digest: string; size: number } | undefined;
    for (let depth = 0; depth < 20; depth += 1) {
      const content = Buffer.from(
        JSON.stringify({ schemaVersion: 2, mediaType, manifests: last === undefined ? [] : Array(20).fill(last) }),
      );
      const answer = await hal.ask("PUT", `/v2/hal/backend/manifests/${digestOf(content)}`, content, false, mediaType);
      expect(answer.status).toBe(201);
      last = { mediaType, digest: digestOf(content), size: content.length };
    }
    expect((await imageUsage(imageStorage(paths()), "hal")).bytes).toBeLessThan(MiB);
  });
});

describe("a tag of the pipeline's form", () => {
  test("is taken from a learner with a time that has come, and refused with one that has not", async () => {
    const ida = await pusher("ida");
    const now = Math.floor(Date.now() / 1000);
    const tag = (time: number) => `develop-v9.9.9-abcdef0-${time}`;
    const answer = await ida.image(tag(9_999_999_999));
    expect([answer.status, codeOf(answer)?.code]).toEqual([403, "DENIED"]);
    expect(codeOf(answer)?.message).toMatch(
      /The tag develop-v9\.9\.9-abcdef0-9999999999 says .* still to come.*It is now \d{10} \(`date \+%s`\)/,
    );
    expect((await ida.image(tag(now + 30 * 24 * 3600))).status).toBe(403);
    // A clock that is a little ahead, and tags of no family.
    for (const one of [tag(now + 3600), tag(1_000_000_000), "v1", "uneven-9999999999"]) expect((await ida.image(one)).status).toBe(201);
  });

  test("is the pipeline's to make", async () => {
    await pusher("jan");
    const pipeline = await pusher("jan", "backend", "pipeline");
    expect((await pipeline.image("develop-v9.9.9-abcdef0-9999999999")).status).toBe(201);
  });
});
