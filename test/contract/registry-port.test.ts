import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { imageRepository } from "../../registries/embedded/repository.ts";
import { ociRepository } from "../../registries/oci/repository.ts";
import { seedImages } from "../../host/drivers/seed-images.ts";
import { withRepository, type RepositoryAccess } from "../../host/images/crane.ts";
import { takeRemainders } from "../../ledger/remainders.ts";
import { gitopsPromotion as template } from "../../lab-templates/gitops-promotion/template.ts";
import { siblingImage } from "../../shared/image-paths.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { registryReader } from "../../verification/registry-reader.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";
import { registryUser, startPlainRegistry } from "../support/plain-registry.ts";

/** What every registry has to do for a lab, whichever it is. */
const home = useLabHome();
let server: LabServer;
let embedded: RunningRegistry;
let plain: RunningRegistry;
let keeping: RunningRegistry;
beforeAll(async () => {
  server = await startLabServer(cohortPaths("demo"));
  embedded = await startRegistry(cohortPaths("demo"), server);
  plain = await startPlainRegistry(join(home(), "plain"), { deletes: true });
  keeping = await startPlainRegistry(join(home(), "keeping"), { deletes: false });
});
afterAll(async () => {
  for (const one of [keeping, plain, embedded]) await one?.stop();
  await server?.close();
});

interface Given {
  readonly pipeline: RepositoryAccess;
  readonly learner: RepositoryAccess;
  remove(): Promise<void>;
}
const oci =
  (host: () => string) =>
  async (learner: string): Promise<Given> => {
    const repository = `${host()}/courses/demo-${learner}/backend`;
    const { id, output } = await ociRepository.ensure({
      cohort: "demo",
      learner,
      repository,
      siblings: [siblingImage(repository, "traps")],
      ...registryUser,
      insecure: true,
    });
    return { pipeline: output, learner: output, remove: () => ociRepository.remove(id, output) };
  };
const adapters: Readonly<Record<string, (learner: string) => Promise<Given>>> = {
  embedded: async (learner) => {
    const { id, output } = await imageRepository.ensure({ cohort: "demo", learner, name: "backend", registry: embedded.host });
    const { repository, username, password, pipelineUsername, pipelinePassword } = output;
    return {
      pipeline: { repository, username: pipelineUsername, password: pipelinePassword, insecure: true },
      learner: { repository, username, password, insecure: true },
      remove: () => imageRepository.remove(id, output),
    };
  },
  oci: oci(() => plain.host),
};

const params = template.params.parse({});
const releases = template
  .releases(params)
  .map((release) => ({ ...release, tags: template.environments.map((environment) => template.tag(environment, release)) }));
const seed = (access: RepositoryAccess) => seedImages.ensure({ ...access, app: template.app(params), releases });

describe.each(Object.entries(adapters))("a path in the registry: %s", (kind, give) => {
  test("takes the seed's images, and gives the digest of each tag as the lab knows it", async () => {
    const { pipeline, learner } = await give("ada");
    const { output } = await seed(pipeline);
    const reader = registryReader({ kind, ...learner }, AbortSignal.timeout(20_000));
    for (const { version, tags } of releases)
      for (const tag of tags) expect(await reader.manifest(tag)).toMatchObject({ digest: output.digests[version] });
    expect(await reader.manifest("none")).toBeUndefined();
  });

  test("is seeded again without another image", async () => {
    const { pipeline } = await give("bob");
    const first = await seed(pipeline);
    expect(await seed((await give("bob")).pipeline)).toEqual(first);
  });

  test("promotes an image by another tag of the same digest", async () => {
    const { pipeline, learner } = await give("cho");
    const { output } = await seed(pipeline);
    const digest = output.digests[releases[1]!.version]!;
    await withRepository(pipeline, (client) => client.tag(digest, "staging-v9.0.0-abcdef0-1790000000"));
    expect(await withRepository(learner, (client) => client.digest("staging-v9.0.0-abcdef0-1790000000"))).toBe(digest);
  });

  test("lets nobody in with another password", async () => {
    const { learner } = await give("dan");
    await expect(withRepository({ ...learner, password: "wrong" }, (client) => client.tags())).rejects.toMatchObject({
      code: "registry-failed",
    });
  });

  test("goes with its images, and no other learner's", async () => {
    const [eve, fay] = [await give("eve"), await give("fay")];
    await seed(eve.pipeline);
    await seed(fay.pipeline);
    await eve.remove();
    expect(await withRepository((await give("eve")).learner, (client) => client.tags())).toEqual([]);
    expect(await withRepository(fay.learner, (client) => client.tags())).toHaveLength(6);
    expect(await takeRemainders("demo")).toEqual([]);
  });
});

describe("a registry elsewhere", () => {
  test("that keeps what was pushed is told with what is left", async () => {
    const { pipeline, remove } = await oci(() => keeping.host)("ada");
    await seed(pipeline);
    await remove();
    expect(await takeRemainders("demo")).toEqual([
      {
        kind: "left",
        sentence: expect.stringMatching(
          new RegExp(`^2 images in ${keeping.host}/courses/demo-ada/backend: the registry deletes none for this credential`),
        ),
      },
    ]);
  });

  test("is left alone where the path has images of somebody else's", async () => {
    const { pipeline } = await adapters["oci"]!("gil");
    const { output } = await seed({ ...pipeline, repository: `${plain.host}/courses/elsewhere` });
    const theirs = { ...pipeline, repository: `${plain.host}/courses/demo-hal/backend` };
    const image = releases[0]!;
    await seedImages.ensure({ ...theirs, app: template.app(params), releases: [{ ...image, tags: ["latest"] }] });
    await expect(adapters["oci"]!("hal")).rejects.toMatchObject({
      code: "registry-path-taken",
      message: expect.stringContaining("(latest)"),
    });
    expect(await withRepository(theirs, (client) => client.digest("latest"))).toBe(output.digests[image.version]);
  });

  test("with a wrong password is an error that does not show it", async () => {
    const failure = await ociRepository
      .ensure({
        cohort: "demo",
        learner: "ida",
        repository: `${plain.host}/demo-ida/backend`,
        siblings: [],
        username: "lab",
        password: "a-wrong-one",
        insecure: true,
      })
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "registry-failed" });
    expect(String(failure)).not.toContain("a-wrong-one");
  });
});
