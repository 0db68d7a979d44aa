import { mkdtemp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { issueCredential } from "../../host/access.ts";
import { resetUsername } from "../../shared/names.ts";
import { withRepository } from "../../host/images/crane.ts";
import { layoutDigest, writeLayout } from "../../host/images/layout.ts";
import { bareRepository } from "../../host/pipeline/bare-repository.ts";
import { commitAsPipeline } from "../../host/pipeline/carry-out.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { accepted } from "../support/accepted-pushes.ts";
import { apply, backend, commit, fluxKustomization, foreign, production } from "../support/gate-pushes.ts";
import { GitClient } from "../support/git-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { PipelineLab, type PipelineLearner } from "../support/pipeline-lab.ts";
import { refused } from "../support/refused-pushes.ts";
import { unjudged } from "../support/unjudged-pushes.ts";

const home = useLabHome();
let lab: PipelineLab;

beforeAll(async () => {
  lab = new PipelineLab(home(), cohortPaths("demo"));
  await lab.start();
});
afterAll(() => lab.stop());

async function handedOver(id: string): Promise<PipelineLearner> {
  const learner = await lab.learner(id);
  for (const environment of ["develop", "staging", "production"] as const) await learner.automate(environment);
  return learner;
}

/** What the pusher is told. */
async function answer(learner: PipelineLearner): Promise<string> {
  return learner.pushAsIs().then(
    () => "accepted",
    (error: unknown) => String(error),
  );
}

describe("the gate refuses", () => {
  /** Of whom nothing is ever accepted, so that each row begins with the same tip. */
  let mona: PipelineLearner;
  beforeAll(async () => {
    mona = await handedOver("mona");
  });

  test.each([...refused, ...unjudged])("%s", async (_, change, says) => {
    await commit(mona, change);
    const said = await answer(mona);
    expect(said).toMatch(says);
    // Nothing of where it was looked at.
    expect(said).not.toMatch(/lab-render-\d|\/tmp\/|\/root\//);
  });
});

describe("the gate lets through", () => {
  let nina: PipelineLearner;
  beforeAll(async () => {
    nina = await handedOver("nina");
  });

  test.each(accepted)("%s", async (_, change) => {
    await commit(nina, change);
    expect(await answer(nina)).toBe("accepted");
  });
});

describe("an image counts as had by an environment", () => {
  test("not when a push brought it and took it back", async () => {
    const olga = await handedOver("olga");
    const { digest } = await olga.image("develop");
    await commit(olga, (files) =>
      files.replace(production, /newTag: \S+( .*\n\s+digest: )\S+/, `newTag: production-v0.9.0-abcdef0-1790000000$1${digest}`),
    );
    await olga.git.git(olga.work, "revert", "--no-edit", "HEAD");
    expect(await answer(olga)).toBe("accepted");
    await olga.git.git(olga.work, "revert", "--no-edit", "HEAD");
    expect(await answer(olga)).toMatch(/is set to production-v0\.9\.0-abcdef0-1790000000, which production never had/);
  });

  test("when a promotion brought it, by a commit of the pipeline's own that the journal knows", async () => {
    const otto = await handedOver("otto");
    await otto.pull();
    const log = await otto.git.git(otto.work, "log", "-1", "--format=%H %an %cn", "--", production);
    const [id, author, committer] = log.split(" ");
    expect([author, committer]).toEqual(["gitops-lab-pipeline", "gitops-lab-pipeline"]);
    expect(await otto.journal(id!)).toMatchObject([{ event: "carried-out", environment: "production" }]);
    await otto.git.git(otto.work, "revert", "--no-edit", id!);
    expect(await answer(otto)).toBe("accepted");
    await otto.git.git(otto.work, "revert", "--no-edit", "HEAD");
    expect(await answer(otto)).toBe("accepted");
  });
});

test("a commit of the pipeline's own goes only on top of the tip, and the journal knows it first", async () => {
  const sven = await lab.learner("sven");
  const repository = bareRepository(join(cohortPaths("demo").git, "sven", "gitops.git"));
  const own = (parent: string, content: string) =>
    commitAsPipeline(repository, {
      branch: "main",
      parent,
      path: "notes/own",
      content,
      message: "Own",
      entry: { event: "carried-out", at: new Date().toISOString(), environment: "staging", promotion: parent },
    });
  const seed = await sven.tip();
  const first = await own(seed, "first\n");
  expect(await sven.tip()).toBe(first);
  expect(await repository.journal(first!)).toMatchObject([{ event: "carried-out", promotion: seed }]);
  // Somebody else was faster.
  expect(await own(seed, "second\n")).toBeUndefined();
  expect(await sven.tip()).toBe(first);
  const refs = await sven.git.git(sven.work, "ls-remote", repository.path, "refs/gitops-lab/*");
  expect(refs).not.toContain("carrying-out");
});

describe("a promotion of what runs is refused", () => {
  test("where the pipeline has not built it", async () => {
    const paul = await handedOver("paul");
    const layout = join(await mkdtemp(join(home(), "image-")), "layout");
    await writeLayout(layout, Buffer.from("#!/bin/sh\n"), { version: "0.9.0", revision: "abcdef0", created: 1790000000, arch: "amd64" });
    const [digest, tag] = [await layoutDigest(layout), "staging-v0.9.0-abcdef0-1790000000"];
    await withRepository(paul.registry, async (client) => {
      await client.push(layout, digest);
      await client.tag(digest, tag);
    });
    lab.setByHand("paul", "staging", { tag, digest });
    await expect(paul.push({ [recordPath("production")]: `tag: ${tag}\ndigest: ${digest}\n` })).rejects.toThrow(
      /which the pipeline has not built: only what it built from a push of app\/ is promoted/,
    );
  });

  test("where Git does not name it for the environment before", async () => {
    const pia = await handedOver("pia");
    await pia.ship("0.3.0");
    const built = (await pia.tags()).find((tag) => tag.startsWith("develop-v0.3.0"))!;
    const [digest, tag] = [await pia.digest(built), built.replace("develop", "staging")];
    await withRepository(pia.registry, (client) => client.tag(digest, tag));
    lab.setByHand("pia", "staging", { tag, digest });
    await expect(pia.push({ [recordPath("production")]: `tag: ${tag}\ndigest: ${digest}\n` })).rejects.toThrow(
      /but flux\/apps\/backend\/staging\/kustomization\.yaml names staging-v0\.2\.0-\S+: staging runs it without Git/,
    );
  });
});

test("what an earlier push left wrong is no reason to refuse another, and nothing is added to it", async () => {
  const quin = await handedOver("quin");
  const credential = await issueCredential(cohortPaths("demo").learner("quin").access, "git", resetUsername("quin"), "write");
  const reset = new GitClient(new URL(quin.remote.url).origin, credential);
  await commit(quin, (files) => files.replace(`${backend}/base/deployment.yaml`, "image: backend", `image: ${foreign}`));
  // A reset is not looked at, as little as a push was before there was such a gate.
  await reset.git(quin.work, "push", "--quiet", quin.remote.url, "HEAD:main");

  await commit(quin, (files) => files.write("flux/README.md", "Nothing that Flux applies\n"));
  expect(await answer(quin)).toBe("accepted");
  await commit(quin, (files) => files.replace(`${backend}/base/deployment.yaml`, foreign, "quay.io/somebody/other:2"));
  expect(await answer(quin)).toMatch(/would run quay\.io\/somebody\/other:2/);
  await commit(quin, async (files) => {
    await apply(
      files,
      "more.yaml",
      fluxKustomization("more", "  path: ./flux/apps/backend/base\n  targetNamespace: staging\n  namePrefix: more-\n"),
    );
  });
  expect(await answer(quin)).toMatch(/Deployment staging\/more-backend .* would run/);
  await commit(quin, (files) => files.replace(`${backend}/base/deployment.yaml`, foreign, "backend"));
  expect(await answer(quin)).toBe("accepted");
});

test("the first commit that named an image is found, wherever it did", async () => {
  const rosa = await handedOver("rosa");
  await commit(rosa, (files) => files.write("notes/found.yaml", `# ${"sha256:".padEnd(71, "7")}\n`));
  await rosa.pushAsIs();
  const tip = await rosa.tip();
  await using git = gitReader(rosa.remote, AbortSignal.timeout(20_000));
  const digest = "sha256:".padEnd(71, "7");
  expect((await git.introduced(digest, "."))?.id).toBe(tip);
  expect(await git.introduced(digest, overlayPath("staging"))).toBeUndefined();
});
