import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { interrupt } from "../../host/git/outage.ts";
import { withRepository } from "../../host/images/crane.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { gitReader } from "../../verification/git-reader.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { useLabHome } from "../support/lab-home.ts";
import { PipelineLab, type PipelineLearner } from "../support/pipeline-lab.ts";

const home = useLabHome();
let lab: PipelineLab;

beforeAll(async () => {
  lab = new PipelineLab(home(), cohortPaths("demo"));
  await lab.start();
});
afterAll(() => lab.stop());

const seeded = "staging-v0.2.0-";

/** A learner whose lab was handed over: every environment has the newest release. */
async function handedOver(id: string): Promise<PipelineLearner> {
  const learner = await lab.learner(id);
  for (const environment of ["develop", "staging", "production"] as const) await learner.automate(environment);
  return learner;
}

describe("bring-up", () => {
  test("takes the release that the seed asks for to every environment, once", async () => {
    const ada = await handedOver("ada");
    for (const environment of ["develop", "staging", "production"] as const)
      expect((await ada.image(environment)).tag).toMatch(`${environment}-v0.2.0-`);
    const log = await ada.git.git(ada.work, "log", "-1", "--format=%an%n%B", "--", overlayPath("production"));
    const seed = await ada.git.git(ada.work, "rev-list", "--max-parents=0", "HEAD");
    expect(log).toContain("gitops-lab-pipeline");
    expect(log).toContain(`Promotion: production ${seed}`);
    expect(await ada.hasBranch("image-updates/production")).toBe(false);
    expect(lab.moved).toContain("ada");
  });

  test("keeps the overlay's comments, which image automation goes by", async () => {
    const ada = await handedOver("bea");
    await ada.pull();
    const overlay = await readFile(join(ada.work, overlayPath("production")), "utf8");
    expect(overlay).toMatch(/newTag: production-v0\.2\.0-\S+ # \{"\$imagepolicy": "production:backend:tag"\}/);
    expect(overlay).toMatch(/digest: sha256:[0-9a-f]{64} # \{"\$imagepolicy": "production:backend:digest"\}/);
  });
});

describe("a push to app/", () => {
  test("is built once, tagged for develop, and the pusher is told", async () => {
    const carl = await handedOver("carl");
    const said = await carl.ship("0.3.0");
    const commit = await carl.tip();
    const [, tag, digest] = /Built (\S+) \((sha256:\w+)\)/.exec(said)!;
    expect(tag).toMatch(new RegExp(`^develop-v0\\.3\\.0-${commit.slice(0, 7)}-\\d{10}$`));
    expect(await carl.digest(tag!)).toBe(digest);
    expect(await carl.journal(commit)).toMatchObject([
      { event: "received", by: "carl", branch: "main" },
      { event: "built", version: "0.3.0", tag, digest },
    ]);
    const again = await carl.push({ "README.md": "Other\n" });
    expect(again).not.toContain("Build");
    expect((await carl.tags()).filter((other) => other.includes("-v0.3.0-"))).toEqual([tag]);
  });

  test("that does not compile is told with the compiler's words, and another try is built", async () => {
    const cleo = await handedOver("cleo");
    const source = "package main\n\nfunc main() { nonsense }\n";
    const said = await cleo.push({ "app/main.go": source, "app/main_test.go": undefined, "app/VERSION": "0.3.0\n" });
    expect(said).toMatch(/The build failed.*undefined: nonsense/s);
    expect((await cleo.tags()).some((tag) => tag.includes("-v0.3.0-"))).toBe(false);
    expect(await cleo.journal(await cleo.tip())).toMatchObject([{ event: "received" }, { event: "build-failed", version: "0.3.0" }]);
    expect(await cleo.push({ "app/main.go": source.replace("nonsense", "") })).toMatch(/Built develop-v0\.3\.0-/);
  });

  test("is refused with a version that is built already, or none", async () => {
    const cora = await handedOver("cora");
    await expect(cora.push({ "app/go.mod": "module other\n\ngo 1.24\n" })).rejects.toThrow(
      /version is still 0\.2\.0, which is built already \(develop-v0\.2\.0-/,
    );
    await expect(cora.push({ "app/VERSION": "next\n" })).rejects.toThrow(
      /app\/VERSION must hold the app's version, such as 0\.3\.0; it holds "next"/,
    );
    await expect(cora.push({ app: undefined })).rejects.toThrow(/app\/ is deleted/);
  });

  test("that goes back to what was built before builds nothing", async () => {
    const curt = await handedOver("curt");
    await curt.ship("0.3.0");
    await curt.pull();
    await curt.git.git(curt.work, "revert", "--no-edit", "HEAD");
    expect(await curt.pushAsIs()).not.toContain("Build");
  });
});

describe("a push of several commits", () => {
  /** Commits another text and version of the app without a push. */
  async function change(learner: PipelineLearner, text: string, version?: string): Promise<void> {
    const path = join(learner.work, "app/main.go");
    await writeFile(path, (await readFile(path, "utf8")).replace(/\/\/ change.*\n|$/, `// change ${text}\n`));
    if (version !== undefined) await writeFile(join(learner.work, "app/VERSION"), `${version}\n`);
    await learner.git.git(learner.work, "commit", "--quiet", "--all", "--message", text);
  }

  test("is built by what it brings, also where its last commit takes the one before back", async () => {
    const dina = await handedOver("dina");
    await dina.pull();
    await change(dina, "one", "0.3.0");
    await change(dina, "two [skip ci]");
    await dina.git.git(dina.work, "revert", "--no-edit", "HEAD");
    const said = await dina.pushAsIs();
    expect(said).toMatch(/Built develop-v0\.3\.0-/);
    const tip = await dina.tip();
    expect(await dina.journal(tip)).toMatchObject([{ event: "received" }, { event: "built", version: "0.3.0" }]);
    // What was in the middle was never built, so to go back to it is a version of its own.
    await dina.git.git(dina.work, "revert", "--no-edit", "HEAD");
    await expect(dina.pushAsIs()).rejects.toThrow(/version is still 0\.3\.0, which is built already/);
    await dina.pull();
    await change(dina, "three", "0.4.0");
    await dina.pushAsIs();
    await dina.git.git(dina.work, "revert", "--no-edit", "HEAD");
    expect(await dina.pushAsIs()).toMatch(/app\/ is as it was at commit [0-9a-f]{7}, and its image develop-v0\.3\.0-/);
  });

  test("is built where a merge brings the app, from one side or from both", async () => {
    const dora = await handedOver("dorothy");
    const git = (...args: string[]) => dora.git.git(dora.work, ...args);
    await dora.pull();
    await git("checkout", "--quiet", "-b", "topic");
    await change(dora, "topic", "0.3.0");
    await git("checkout", "--quiet", "-B", "main", "origin/main");
    await writeFile(join(dora.work, "README.md"), "Other\n");
    await git("commit", "--quiet", "--all", "--message", "Words");
    await git("merge", "--quiet", "--no-ff", "--no-edit", "topic");
    expect(await dora.pushAsIs()).toMatch(/Built develop-v0\.3\.0-/);
    await git("checkout", "--quiet", "-b", "other");
    await writeFile(join(dora.work, "app/other.go"), "package main\n");
    await git("add", "--all");
    await git("commit", "--quiet", "--message", "Other file");
    await git("checkout", "--quiet", "main");
    await change(dora, "main", "0.4.0");
    await git("merge", "--quiet", "--no-ff", "--no-edit", "other");
    expect(await dora.pushAsIs()).toMatch(/Built develop-v0\.4\.0-/);
  });

  test("that changes a record and changes it back promotes nothing anew, so a rollback stands", async () => {
    const dave = await handedOver("dave");
    const git = (...args: string[]) => dave.git.git(dave.work, ...args);
    await dave.pull();
    await git("revert", "--no-edit", await git("log", "-1", "--format=%H", "--", overlayPath("production")));
    await dave.pushAsIs();
    const before = await dave.image("production");
    await writeFile(join(dave.work, recordPath("production")), "tag: nonsense\n");
    await git("commit", "--quiet", "--all", "--message", "A slip");
    await git("revert", "--no-edit", "HEAD");
    await dave.pushAsIs();
    await dave.automate("production");
    expect(await dave.image("production")).toEqual(before);
  });
});

describe("a tag whose time no later one can follow", () => {
  test.each(["9999999999", "9999999990"])("%s does not keep what is built or promoted from its environment", async (time) => {
    const dirk = await handedOver(`dirk${time.at(-1)}`);
    const { digest } = await dirk.image("develop");
    for (const environment of ["develop", "staging"])
      await withRepository(dirk.registry, (client) => client.tag(digest, `${environment}-v9.9.9-abcdef0-${time}`));
    const said = await dirk.ship("0.3.0");
    expect(said).toMatch(new RegExp(`The tag develop-v9\\.9\\.9-abcdef0-${time} is taken away`));
    expect(said).toMatch(/Built develop-v0\.3\.0-[0-9a-f]{7}-\d{10} /);
    await dirk.automate("develop");
    expect((await dirk.image("develop")).tag).toMatch(/^develop-v0\.3\.0-/);
    await dirk.promote("develop", "staging");
    await dirk.automate("staging");
    expect((await dirk.image("staging")).tag).toMatch(/^staging-v0\.3\.0-[0-9a-f]{7}-\d{10}$/);
  });
});

describe("what Windows PowerShell writes", () => {
  const utf16 = (text: string) => Buffer.from(`\uFEFF${text}`, "utf16le");
  async function write(learner: PipelineLearner, path: string, content: Buffer): Promise<string> {
    await learner.pull();
    await writeFile(join(learner.work, path), content);
    await learner.git.git(learner.work, "commit", "--quiet", "--all", "--message", "Written with >");
    return learner.pushAsIs();
  }

  test("is refused with its encoding and how to save it right", async () => {
    const dunja = await handedOver("dunja");
    const record = await dunja.recordOf("develop");
    const overlay = await readFile(join(dunja.work, overlayPath("production")), "utf8");
    const says = (path: string) => new RegExp(`${path} is UTF-16, which is what PowerShell's .>. writes, and must be UTF-8`);
    await expect(write(dunja, recordPath("staging"), utf16(record))).rejects.toThrow(says(recordPath("staging")));
    await expect(write(dunja, recordPath("staging"), Buffer.from(record, "utf16le"))).rejects.toThrow(says(recordPath("staging")));
    await expect(write(dunja, "app/VERSION", utf16("0.3.0\r\n"))).rejects.toThrow(says("app/VERSION"));
    await expect(write(dunja, "app/go.mod", utf16("module backend\n\ngo 1.24\n"))).rejects.toThrow(says("app/go.mod"));
    await expect(write(dunja, overlayPath("production"), utf16(overlay))).rejects.toThrow(says(overlayPath("production")));
    // With a mark kustomize reads it, so Flux applies it; without one nobody does.
    const deployment = "flux/apps/backend/base/deployment.yaml";
    const text = await readFile(join(dunja.work, deployment), "utf8");
    await expect(write(dunja, deployment, Buffer.from(text, "utf16le"))).rejects.toThrow(says(deployment));
  });

  test("and what Git LFS leaves in the place of a file are both named", async () => {
    const dara = await handedOver("dara");
    const pointer = Buffer.from(`version https://git-lfs.github.com/spec/v1\noid sha256:${"a".repeat(64)}\nsize 12\n`);
    for (const path of [recordPath("staging"), "app/VERSION", overlayPath("production"), "flux/apps/backend/base/deployment.yaml"])
      await expect(write(dara, path, pointer)).rejects.toThrow(`${path} is a pointer of Git LFS, and there is no LFS here`);
  });

  test("is taken where it is UTF-8 with a mark and with line ends of its own", async () => {
    const dora = await handedOver("doris");
    await dora.ship("0.3.0");
    await dora.automate("develop");
    const record = (await dora.recordOf("develop")).replaceAll("\n", "\r\n");
    expect(await write(dora, recordPath("staging"), Buffer.from(`\uFEFF${record}`))).toMatch(/Promoted to staging/);
    await dora.pull();
    await writeFile(join(dora.work, "app/other.go"), "package main\n");
    await dora.git.git(dora.work, "add", "--all");
    expect(await write(dora, "app/VERSION", Buffer.from("\uFEFF0.4.0\r\n"))).toMatch(/Built develop-v0\.4\.0-/);
  });
});

test("refs that are named like the branch, from before they were refused, change nothing", async () => {
  const dirk = await handedOver("dietrich");
  const bare = join(cohortPaths("demo").git, "dietrich", "gitops.git");
  const tip = await dirk.tip();
  for (const ref of ["refs/tags/main", "refs/heads/heads/main", "refs/tags/HEAD", `refs/heads/${tip}`, `refs/tags/${tip.slice(0, 7)}`])
    await dirk.git.git(dirk.work, "push", "--quiet", bare, `HEAD~1:${ref}`);
  const overlay = await readFile(join(dirk.work, overlayPath("production")), "utf8");
  const byHand = overlay.replace(/newTag: \S+/, "newTag: production-v0.9.0-abcdef0-1790000000");
  await dirk.git.commit(dirk.work, overlayPath("production"), byHand);
  await expect(dirk.git.git(dirk.work, "push", "origin", "HEAD:refs/heads/main")).rejects.toThrow(/production never had/);
  await dirk.git.git(dirk.work, "reset", "--quiet", "--hard", "refs/remotes/origin/main");
  await writeFile(join(dirk.work, "app/VERSION"), "0.3.0\n");
  await dirk.git.git(dirk.work, "commit", "--quiet", "--all", "--message", "Ship");
  const said = await dirk.git.try(dirk.work, "push", "origin", "HEAD:refs/heads/main");
  expect(said.stderr).toMatch(/Built develop-v0\.3\.0-/);
  await using reader = gitReader(dirk.remote, AbortSignal.timeout(60_000));
  expect(await reader.head()).toBe(await dirk.git.git(dirk.work, "rev-parse", "HEAD"));
});

test("what stood in an overlay is no line of the pipeline's own commit", async () => {
  const dean = await handedOver("dean");
  await dean.ship("0.3.0");
  await dean.automate("develop");
  const production = await dean.tip();
  const overlay = await readFile(join(dean.work, overlayPath("staging")), "utf8");
  const forged = overlay.replace(/newTag: \S+/, `newTag: "x\\n\\nPromotion:\\x20production\\x20${production}\\n"`);
  await dean.git.commit(dean.work, overlayPath("staging"), forged);
  // As an older version may have let it in: without the hooks.
  await dean.git.git(dean.work, "push", "--quiet", join(cohortPaths("demo").git, "dean", "gitops.git"), "HEAD:refs/heads/main");
  await dean.promote("develop", "staging");
  await dean.automate("staging", (await dean.tags()).find((tag) => tag.startsWith("staging-v0.3.0-"))!);
  expect((await dean.image("staging")).tag).toMatch(/^"staging-v0\.3\.0-/);
  expect(await dean.git.git(dean.work, "log", "-1", "--format=%(trailers:key=Promotion)")).toMatch(/^Promotion: staging \w+\s*$/);
  expect(await dean.git.git(dean.work, "log", "-1", "--format=%B")).not.toMatch(/^Promotion: production/m);
});

describe("a promotion", () => {
  test("moves the same image on by another tag, environment after environment", async () => {
    const dora = await handedOver("dora");
    await dora.ship("0.3.0");
    await dora.automate("develop");
    const { digest } = await dora.image("develop");
    const toStaging = await dora.promote("develop", "staging");
    const asked = await dora.tip();
    expect(toStaging).toMatch(/Promoted to staging: develop-v0\.3\.0-\S+ is now also staging-v0\.3\.0-\S+, the same image/);
    expect(await dora.journal(asked)).toMatchObject([
      { event: "received", by: "dora" },
      { event: "promoted", environment: "staging", digest },
    ]);
    await dora.automate("staging");
    expect(await dora.image("staging")).toMatchObject({ tag: expect.stringMatching(/^staging-v0\.3\.0-/), digest });
    expect(await dora.git.git(dora.work, "log", "-1", "--format=%B")).toContain(`Promotion: staging ${asked}`);
    expect(await dora.journal(await dora.tip())).toMatchObject([{ event: "carried-out", environment: "staging", promotion: asked }]);
    await dora.promote("staging", "production");
    await dora.automate("production");
    expect(await dora.image("production")).toMatchObject({ tag: expect.stringMatching(/^production-v0\.3\.0-/), digest });
    const built = new Set(await Promise.all((await dora.tags()).filter((tag) => tag.includes("-v0.3.0-")).map((tag) => dora.digest(tag))));
    expect([...built]).toEqual([digest]);
  });

  test("is refused with a sentence that says why", { timeout: 120_000 }, async () => {
    const emil = await handedOver("emil");
    await emil.ship("0.3.0");
    await emil.automate("develop");
    const [develop, staging] = [await emil.image("develop"), await emil.image("staging")];
    const [production, otherDigest] = [recordPath("production"), `sha256:${"0".repeat(64)}`];
    await withRepository(emil.registry, (client) => client.tag(develop.digest, "latest"));
    const cases: [asks: string | undefined, says: RegExp][] = [
      [`tag: latest\ndigest: ${develop.digest}\n`, /"latest", which is no immutable tag/],
      [`tag: ${develop.tag}\ndigest: ${develop.digest}\n`, /an image of develop: production takes only what staging runs.*none is skipped/],
      [`tag: ${staging.tag}\ndigest: ${otherDigest}\n`, /says that staging-v0\.2\.0-\S+ is sha256:0+, but the registry has sha256:/],
      [`tag: staging-v9.9.9-abcdef0-1790000000\ndigest: ${otherDigest}\n`, /the registry has no such tag/],
      ["tag: [\n", /is not valid YAML/],
      ["tag: staging\n", /must have `tag` and `digest`.*`digest`/],
      [undefined, /is deleted/],
    ];
    for (const [asks, says] of cases) await expect(emil.push({ [production]: asks })).rejects.toThrow(says);
    // Staging had it once, and runs another by now.
    const older = (await emil.tags()).find((tag) => tag.startsWith("staging-v0.1.0"))!;
    await expect(emil.push({ [production]: `tag: ${older}\ndigest: ${await emil.digest(older)}\n` })).rejects.toThrow(
      /but staging runs sha256:\w+: what did not run in staging is not promoted to production/,
    );
    expect((await emil.tags()).filter((tag) => tag.startsWith("production-v0.3.0"))).toEqual([]);
  });
});

describe("what image automation proposes", () => {
  test("and nobody asked for stays a proposal", async () => {
    const finn = await handedOver("finn");
    await finn.ship("0.3.0");
    await finn.automate("develop");
    const { digest } = await finn.image("develop");
    await withRepository(finn.registry, (client) => client.tag(digest, "production-v0.3.0-abcdef0-1790000000"));
    const before = await finn.image("production");
    await finn.automate("production");
    expect(await finn.image("production")).toEqual(before);
    expect(await finn.hasBranch("image-updates/production")).toBe(true);
    const seed = await finn.git.git(finn.work, "rev-list", "--max-parents=0", "HEAD");
    expect(await finn.journal(seed)).toContainEqual(
      expect.objectContaining({ event: "held", environment: "production", tag: "production-v0.3.0-abcdef0-1790000000" }),
    );
  });

  test("again after a revert is held, until it is promoted again or the revert is reverted", async () => {
    const gina = await handedOver("gina");
    const after = await gina.image("production");
    const update = await gina.git.git(gina.work, "log", "-1", "--format=%H", "--", overlayPath("production"));
    await gina.git.git(gina.work, "revert", "--no-edit", update);
    await gina.pushAsIs();
    expect((await gina.image("production")).tag).toMatch(/^production-v0\.1\.0-/);
    await gina.automate("production");
    expect((await gina.image("production")).tag).toMatch(/^production-v0\.1\.0-/);
    // Another note is another promotion.
    await gina.promote("staging", "production", "once more");
    expect(await gina.image("production")).toEqual(after);
    await gina.git.git(gina.work, "revert", "--no-edit", "HEAD");
    await gina.pushAsIs();
    await gina.git.git(gina.work, "revert", "--no-edit", "HEAD");
    await gina.pushAsIs();
    expect(await gina.image("production")).toEqual(after);
  });

  test("is carried out by the next daemon where one was killed before it did so", async () => {
    const hugo = await handedOver("hugo");
    await hugo.ship("0.3.0");
    await hugo.automate("develop");
    const { digest } = await hugo.image("develop");
    await hugo.promote("develop", "staging");
    // The push without its hooks, as when the daemon dies between accepting and acting.
    const bare = join(cohortPaths("demo").git, "hugo", "gitops.git");
    const work = hugo.work;
    await hugo.pull();
    const tag = (await hugo.tags()).find((other) => other.startsWith("staging-v0.3.0-"))!;
    const overlay = await readFile(join(work, overlayPath("staging")), "utf8");
    await hugo.git.commit(
      work,
      overlayPath("staging"),
      overlay.replace(/newTag: \S+/, `newTag: ${tag}`).replace(/digest: \S+/, `digest: ${digest}`),
    );
    await hugo.git.git(work, "push", "--quiet", bare, "HEAD:refs/heads/image-updates/staging");
    expect((await hugo.image("staging")).tag).toMatch(seeded);
    await lab.newPipeline().settleAll();
    expect(await hugo.image("staging")).toEqual({ tag, digest });
  });
});

describe("the gate refuses", () => {
  test("an image that an environment never had, written by hand", async () => {
    const iris = await handedOver("iris");
    const { digest } = await iris.image("develop");
    const overlay = await readFile(join(iris.work, overlayPath("production")), "utf8");
    const byHand = overlay
      .replace(/newTag: \S+/, "newTag: production-v0.9.0-abcdef0-1790000000")
      .replace(/digest: \S+/, `digest: ${digest}`);
    await expect(iris.push({ [overlayPath("production")]: byHand })).rejects.toThrow(/production never had.*promotion\/production\.yaml/);
    await expect(iris.push({ [overlayPath("production")]: "resources: [../base]\n" })).rejects.toThrow(/names no image/);
    // The same in develop is the learner's own affair.
    await iris.push({ [overlayPath("develop")]: overlay });
  });

  test("a learner's push to the branches and refs that are not the learner's", async () => {
    const jack = await handedOver("jack");
    const push = (ref: string) => jack.git.git(jack.work, "push", "origin", `HEAD:${ref}`);
    await expect(push("refs/heads/image-updates/production")).rejects.toThrow(/belongs to image automation/);
    await expect(push("refs/notes/mine")).rejects.toThrow(/the lab's own/);
    await push("refs/heads/topic");
    await push("refs/tags/v1");
  });
});

test("the learner and the checks read the pipeline's notes", async () => {
  const kate = await handedOver("kate");
  await kate.ship("0.3.0");
  await using reader = gitReader(kate.remote, AbortSignal.timeout(20_000));
  const journal = await reader.journal();
  expect(journal.get(await kate.tip())).toMatchObject([
    { event: "received", by: "kate" },
    { event: "built", version: "0.3.0" },
  ]);
  await kate.git.git(kate.work, "fetch", "--quiet", "origin", "refs/notes/pipeline:refs/notes/pipeline");
  expect(await kate.git.git(kate.work, "log", "-1", "--notes=pipeline", "--format=%N", "origin/main")).toContain('"event":"built"');
});

test("an interrupted Git server refuses everybody until its time is up", async () => {
  const { gitOutage } = cohortPaths("demo").learner("lena");
  const lena = await handedOver("lena");
  await interrupt(gitOutage, new Date(Date.now() + 60_000));
  await expect(lena.pull()).rejects.toThrow(/503/);
  await interrupt(gitOutage, new Date(Date.now() - 1));
  await lena.pull();
  await interrupt(gitOutage, undefined);
  await lena.pull();
});
