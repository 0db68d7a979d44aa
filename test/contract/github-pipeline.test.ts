import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { withRepository } from "../../host/images/crane.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { overlayPath } from "../../verification/desired-image.ts";
import { journalRef } from "../../verification/journal.ts";
import { recordPath } from "../../verification/promotion-record.ts";
import { GithubLearner } from "../support/github-lab.ts";
import { useLabHome } from "../support/lab-home.ts";
import { startLabServer, startRegistry, type LabServer, type RunningRegistry } from "../support/lab-server.ts";

const home = useLabHome();
let server: LabServer;
let registry: RunningRegistry;

beforeAll(async () => {
  const paths = cohortPaths("demo");
  server = await startLabServer(paths);
  registry = await startRegistry(paths, server);
});
afterAll(async () => {
  await registry.stop();
  await server.close();
});

const seeded = (id: string) => GithubLearner.create(home(), id, registry.host);

/** A learner whose lab was handed over: every environment has the newest release. */
async function handedOver(id: string): Promise<GithubLearner> {
  const learner = await seeded(id);
  expect(await learner.job("promote")).toMatchObject({ exitCode: 0 });
  await learner.automate("develop");
  for (const environment of ["staging", "production"] as const) {
    await learner.automate(environment);
    expect(await learner.job("take-proposal")).toMatchObject({ exitCode: 0 });
  }
  return learner;
}

describe("bring-up", () => {
  test("takes the release that the seed asks for to every environment, in commits that say so", async () => {
    const ada = await handedOver("ada");
    const seed = await ada.git.git(ada.work, "rev-list", "--max-parents=0", "HEAD");
    for (const environment of ["develop", "staging", "production"] as const)
      expect((await ada.image(environment)).tag).toMatch(`${environment}-v0.2.0-`);
    const log = await ada.git.git(ada.work, "log", "-1", "--format=%an|%cn|%(trailers:key=Promotion)", "--", overlayPath("production"));
    expect(log.trim()).toBe(`gitops-lab-bot|gitops-lab-pipeline|Promotion: production ${seed}`);
    expect(await ada.repository.journal(seed)).toMatchObject([
      { event: "promoted", environment: "staging" },
      { event: "promoted", environment: "production" },
    ]);
    expect(await ada.repository.journal(await ada.tip())).toMatchObject([
      { event: "carried-out", environment: "production", promotion: seed },
    ]);
    expect(await ada.hasBranch("image-updates/production")).toBe(false);
    expect(await ada.builds()).toBe(0);
  });

  test("changes nothing of an overlay but the image", async () => {
    const bea = await handedOver("bea");
    const show = (commit: string) => bea.git.git(bea.work, "show", `${commit}:${overlayPath("production")}`);
    const before = await show((await bea.git.git(bea.work, "rev-list", "--max-parents=0", "HEAD")).trim());
    const withoutImage = (overlay: string) => overlay.replace(/newTag: \S+/, "").replace(/digest: \S+/, "");
    expect(withoutImage(await show("HEAD"))).toBe(withoutImage(before));
  });
});

describe("the build", () => {
  test("makes one image of a version, tagged for develop", async () => {
    const carl = await seeded("carl");
    const commit = await carl.push({ "app/VERSION": "0.3.0\n" });
    const { exitCode, output } = await carl.job("build");
    expect([exitCode, output]).toEqual([0, expect.stringMatching(/^::notice::Built develop-v0\.3\.0-\S+ \(sha256:\w+\)\.$/m)]);
    const [, tag, digest] = /Built (\S+) \((sha256:\w+)\)/.exec(output)!;
    expect(tag).toMatch(new RegExp(`^develop-v0\\.3\\.0-${commit.slice(0, 7)}-\\d{10}$`));
    expect(await carl.digest(tag!)).toBe(digest);
    expect(await carl.repository.journal(commit)).toMatchObject([{ event: "built", version: "0.3.0", tag, digest }]);
    expect(await carl.job("build")).toEqual({ exitCode: 0, output: "" });
    expect(await carl.repository.journal(commit)).toHaveLength(1);
    // A run that was ended before it wrote that down is made up for without another build.
    await carl.git.git(carl.work, "push", "--quiet", "origin", `:${journalRef}`);
    expect(await carl.job("build")).toEqual({ exitCode: 0, output: "" });
    expect(await carl.repository.journal(commit)).toMatchObject([{ event: "built", version: "0.3.0", tag, digest }]);
    expect(await carl.builds()).toBe(1);
  });

  test("is of what a push brings as a whole, also where its last commit takes the one before back", async () => {
    const dina = await seeded("dina");
    await dina.commit({ "app/VERSION": "0.3.0\n" });
    await dina.commit({ "app/extra.go": "package main\n" });
    await dina.git.git(dina.work, "revert", "--no-edit", "HEAD");
    await dina.git.git(dina.work, "push", "--quiet", "origin", "HEAD:refs/heads/main");
    expect((await dina.job("build")).output).toMatch(/^::notice::Built develop-v0\.3\.0-/m);
    await dina.push({ "app/extra.go": "package main\n", "app/VERSION": "0.4.0\n" });
    expect((await dina.job("build")).output).toMatch(/Built develop-v0\.4\.0-/);
    await dina.git.git(dina.work, "revert", "--no-edit", "HEAD");
    await dina.git.git(dina.work, "push", "--quiet", "origin", "HEAD:refs/heads/main");
    expect((await dina.job("build")).output).toMatch(/^::notice::app\/ is as it was at commit [0-9a-f]{7}, of which there is an image/);
    expect(await dina.builds()).toBe(2);
  });

  test("reads a version that Windows wrote, or says how to write it right", async () => {
    const dirk = await seeded("dirk");
    await dirk.push({ "app/VERSION": Buffer.from("\uFEFF0.3.0\r\n", "utf16le") });
    expect(await dirk.job("build")).toEqual({
      exitCode: 1,
      output: expect.stringMatching(/^::error::app\/VERSION is UTF-16, which is what PowerShell writes/),
    });
    await dirk.push({ "app/VERSION": "\uFEFF0.3.0\r\n" });
    expect((await dirk.job("build")).output).toMatch(/Built develop-v0\.3\.0-/);
  });

  test("names a tag whose time no later one can follow", async () => {
    const doris = await seeded("doris");
    const develop = (await doris.tags()).find((tag) => tag.startsWith("develop-"))!;
    const digest = await doris.digest(develop);
    await withRepository(doris.registry, (client) => client.tag(digest, "develop-v9.9.9-abcdef0-9999999999"));
    await doris.push({ "app/VERSION": "0.3.0\n" });
    const said = await doris.job("build");
    expect(said).toEqual({
      exitCode: 1,
      output: expect.stringMatching(/^::error::The tag develop-v9\.9\.9-abcdef0-9999999999 is in the way: .*crane delete/),
    });
    await withRepository(doris.registry, (client) => client.untag("develop-v9.9.9-abcdef0-9999999999"));
    expect((await doris.job("build")).output).toMatch(/Built develop-v0\.3\.0-/);
  });

  test("of the seed's own app is none of its business", async () => {
    const cato = await seeded("cato");
    expect(await cato.job("build")).toEqual({ exitCode: 0, output: "" });
  });

  test("of a version that is built already, or of none, is refused", async () => {
    const cora = await seeded("cora");
    await cora.push({ "app/go.mod": "module other\n\ngo 1.24\n" });
    expect(await cora.job("build")).toEqual({
      exitCode: 1,
      output: expect.stringMatching(
        /^::error::app\/ changed, but its version is still 0\.2\.0, which is built already \(develop-v0\.2\.0-\S+\): one version is one image, never rebuilt\. Raise app\/VERSION in the same push\.$/,
      ),
    });
    await cora.push({ "app/VERSION": 'next"\n::warning::no\n' });
    const { exitCode, output } = await cora.job("build");
    expect([exitCode, output]).toEqual([
      1,
      String.raw`::error::app/VERSION must hold the app's version, such as 0.3.0; it holds "next\"::warning::no".`,
    ]);
    await cora.push({ app: undefined });
    expect(await cora.job("build")).toEqual({
      exitCode: 1,
      output: expect.stringMatching(
        /^::error::app\/ is deleted; it is the source of the backend\. Put it back with `git checkout \w{7} -- app`\.$/,
      ),
    });
    expect(await cora.builds()).toBe(0);
  });

  test("that fails is told with the compiler's words, which are no commands to the runner, and another try is built", async () => {
    const cleo = await seeded("cleo");
    const commit = await cleo.push({ "app/VERSION": "0.3.0\n", "app/main.go": "package main\n\nfunc main() { nonsense }\n" });
    const { exitCode, output } = await cleo.job("build");
    expect([exitCode, output]).toEqual([
      1,
      expect.stringMatching(/^::error::The build failed; no image was made\. .*undefined: "nonsense"$/m),
    ]);
    expect(output).not.toMatch(/^::warning/m);
    expect(await cleo.repository.journal(commit)).toMatchObject([
      { event: "build-failed", version: "0.3.0", reason: expect.stringContaining('undefined: "nonsense"') },
    ]);
    await cleo.push({ "app/main.go": "package main\n\nfunc main() {}\n" });
    expect((await cleo.job("build")).output).toMatch(/Built develop-v0\.3\.0-/);
  });

  test("of what goes back to what was built before makes nothing", async () => {
    const curt = await seeded("curt");
    await curt.ship("0.3.0");
    await curt.git.git(curt.work, "revert", "--no-edit", "HEAD~1");
    await curt.pushAsIs();
    expect(await curt.job("build")).toEqual({ exitCode: 0, output: expect.stringContaining("nothing is made anew") });
    expect(await curt.builds()).toBe(1);
  });
});

describe("a promotion", () => {
  test("moves the same image on by another tag, environment after environment", async () => {
    const dora = await handedOver("dora");
    await dora.ship("0.3.0");
    const { tag, digest } = await dora.image("develop");
    const asked = await dora.ask("develop", "staging");
    const { exitCode, output } = await dora.job("promote");
    expect([exitCode, output]).toEqual([
      0,
      expect.stringMatching(
        new RegExp(`^::notice::Promoted to staging: ${tag} is now also staging-v0\\.3\\.0-\\S+, the same image \\(${digest}\\)`),
      ),
    ]);
    expect(await dora.repository.journal(asked)).toMatchObject([{ event: "promoted", environment: "staging", digest }]);
    expect(await dora.job("promote")).toEqual({ exitCode: 0, output: "" });
    await dora.automate("staging");
    expect((await dora.job("take-proposal")).output).toMatch(/^::notice::staging gets staging-v0\.3\.0-\S+ with commit \w{7}\.$/);
    await dora.ask("staging", "production");
    expect(await dora.job("promote")).toMatchObject({ exitCode: 0 });
    await dora.automate("production");
    expect(await dora.job("take-proposal")).toMatchObject({ exitCode: 0 });
    expect(await dora.image("production")).toEqual({ tag: expect.stringMatching(/^production-v0\.3\.0-/), digest });
    const family = (await dora.tags()).filter((other) => other.includes("-v0.3.0-"));
    expect(family).toHaveLength(3);
    expect(new Set(await Promise.all(family.map((other) => dora.digest(other))))).toEqual(new Set([digest]));
    expect(await dora.builds()).toBe(1);
  });

  test("is refused with a sentence that says why", { timeout: 120_000 }, async () => {
    const emil = await handedOver("emil");
    await emil.ship("0.3.0");
    const [develop, staging] = [await emil.image("develop"), await emil.image("staging")];
    const [path, zeros] = [recordPath("production"), `sha256:${"0".repeat(64)}`];
    await withRepository(emil.registry, (client) => client.tag(develop.digest, "latest"));
    const old = (await emil.tags()).find((tag) => tag.startsWith("staging-v0.1.0-"))!;
    const oldDigest = await emil.digest(old);
    const asks = (tag: string) => `${path} asks for "${tag}"`;
    const cases: [record: string | undefined, sentence: string | RegExp][] = [
      [
        `tag: latest\ndigest: ${develop.digest}\n`,
        `${asks("latest")}, which is no immutable tag: a tag that can move says nothing of what was tested. Name the tag that staging runs, staging-v<version>-<revision>-<unix time>.`,
      ],
      [
        `tag: ${develop.tag}\ndigest: ${develop.digest}\n`,
        `${asks(develop.tag)}, an image of develop: production takes only what staging runs. An image goes through develop, then staging, then production; none is skipped.`,
      ],
      [
        `tag: staging-v9.9.9-abcdef0-1790000000\ndigest: ${zeros}\n`,
        `${asks("staging-v9.9.9-abcdef0-1790000000")}, and the registry has no such tag in ${emil.registry.repository}.`,
      ],
      [
        `tag: "${staging.tag}" # this\ndigest: ${zeros}\nnote: |\n  long\n\n  words\n`,
        `${path} says that ${staging.tag} is ${zeros}, but the registry has ${staging.digest} under that tag. Either the digest is mistyped or somebody pushed over the tag: look at what staging runs with \`kubectl get deploy backend -n staging -o wide\`.`,
      ],
      // Staging had it once, and runs another by now.
      [
        `tag: ${old}\ndigest: ${oldDigest}\n`,
        `${asks(old)} (${oldDigest}), but staging runs ${staging.digest}: what did not run in staging is not promoted to production.`,
      ],
      [
        "tag: [\n",
        `${path} must have \`tag\` and \`digest\`, and may have a \`note\`: \`digest\`: must be sha256: and 64 hexadecimal digits.`,
      ],
      [
        `digest: ${zeros}\n`,
        `${path} must have \`tag\` and \`digest\`, and may have a \`note\`: \`tag\`: Invalid input: expected string, received undefined.`,
      ],
      [
        `tag: ${staging.tag}\ndigest: ${zeros}\nforce: true\n`,
        `${path} must have \`tag\` and \`digest\`, and may have a \`note\`: Unrecognized key: "force".`,
      ],
      ["- 100%\n", `${path} is not valid YAML of one \`key: value\` a line: "- 100%25".`],
      [
        undefined,
        /^::error::promotion\/production\.yaml is deleted; it says what production is asked to run\. Put it back with `git checkout \w{7} -- promotion\/production\.yaml`\.$/,
      ],
    ];
    for (const [record, sentence] of cases) {
      const commit = await emil.push({ [path]: record });
      const { exitCode, output } = await emil.job("promote");
      expect([exitCode, output]).toEqual([1, typeof sentence === "string" ? `::error::${sentence}` : expect.stringMatching(sentence)]);
      expect((await emil.repository.journal(commit)).filter(({ event }) => event === "promoted")).toEqual([]);
    }
    expect((await emil.tags()).filter((tag) => tag.startsWith("production-v0.3.0"))).toEqual([]);
  });

  test("names the tag that runs, not another one of the same image", async () => {
    const elsa = await handedOver("elsa");
    await elsa.ship("0.3.0");
    const { tag, digest } = await elsa.image("develop");
    const other = "develop-v0.3.0-abcdef0-1700000000";
    await withRepository(elsa.registry, (client) => client.tag(digest, other));
    await elsa.push({ [recordPath("staging")]: `tag: ${other}\ndigest: ${digest}\n` });
    expect(await elsa.job("promote")).toEqual({
      exitCode: 1,
      output: `::error::promotion/staging.yaml asks for "${other}", but develop runs that image as ${tag}: name the tag that ${overlayPath("develop")} names.`,
    });
  });

  test("that is refused is no obstacle to another, and is written down once", async () => {
    const fred = await handedOver("fred");
    await fred.ship("0.3.0");
    const { tag, digest } = await fred.image("develop");
    const commit = await fred.push({
      [recordPath("staging")]: "tag: latest\ndigest: " + digest + "\n",
      [recordPath("production")]: `tag: ${tag}\ndigest: ${digest}\n`,
    });
    for (let run = 0; run < 2; run += 1)
      expect((await fred.job("promote")).output.split("\n")).toEqual([
        expect.stringContaining("no immutable tag"),
        expect.stringContaining("none is skipped"),
      ]);
    expect(await fred.repository.journal(commit)).toMatchObject([
      { event: "promotion-failed", environment: "staging", reason: expect.stringContaining('asks for "latest", which') },
      { event: "promotion-failed", environment: "production" },
    ]);
    await fred.push({ [recordPath("staging")]: `tag: ${tag}\ndigest: ${digest}\n` });
    const { exitCode, output } = await fred.job("promote");
    expect([exitCode, output.split("\n")]).toEqual([
      1,
      [expect.stringContaining("::notice::Promoted to staging"), expect.stringContaining("none is skipped")],
    ]);
  });

  test("of what the environment has already is none", async () => {
    const gwen = await handedOver("gwen");
    const before = await gwen.tags();
    const commit = await gwen.ask("develop", "staging", "it is there");
    expect(await gwen.job("promote")).toEqual({ exitCode: 0, output: "" });
    expect(await gwen.repository.journal(commit)).toEqual([]);
    expect(await gwen.tags()).toEqual(before);
  });

  test("waits for no journal that another run writes at the same time", async () => {
    const gael = await handedOver("gael");
    await gael.ship("0.3.0");
    const commit = await gael.ask("develop", "staging");
    await gael.overtake(journalRef);
    expect(await gael.job("promote")).toMatchObject({ exitCode: 0 });
    expect(await gael.repository.journal(commit)).toMatchObject([{ event: "promoted", environment: "staging" }]);
    expect(await gael.git.git(gael.bare, "log", "-2", "--format=%s", journalRef)).toContain("\nOther");
  });
});

describe("what image automation proposes", () => {
  test("and nobody asked for stays a proposal", async () => {
    const hugo = await handedOver("hugo");
    await hugo.ship("0.3.0");
    const { digest } = await hugo.image("develop");
    const tag = "production-v0.3.0-abcdef0-1790000000";
    await withRepository(hugo.registry, (client) => client.tag(digest, tag));
    const before = await hugo.image("production");
    await hugo.automate("production");
    expect(await hugo.job("take-proposal")).toMatchObject({
      exitCode: 0,
      output: expect.stringMatching(new RegExp(`^::notice::${tag} is kept out of production: promotion \\w{7} was carried out`)),
    });
    // Another request, and not for this.
    await hugo.push({ [recordPath("production")]: `tag: staging-v0.1.0-abcdef0-1790000000\ndigest: sha256:${"0".repeat(64)}\n` });
    const told = await hugo.job("take-proposal");
    expect(told.output).toMatch(
      /is kept out of production: promotion\/production\.yaml asks for sha256:0+, not for what this tag names\.$/,
    );
    expect(await hugo.job("take-proposal")).toEqual({ exitCode: 0, output: "" });
    expect(await hugo.image("production")).toEqual(before);
    expect(await hugo.hasBranch("image-updates/production")).toBe(true);
    expect(await hugo.repository.journal(await hugo.tip())).toMatchObject([{ event: "held", environment: "production", tag }]);
  });

  test("again after a revert is held, until it is promoted again", async () => {
    const iris = await handedOver("iris");
    const after = await iris.image("production");
    const update = await iris.git.git(iris.work, "log", "-1", "--format=%H", "--", overlayPath("production"));
    await iris.git.git(iris.work, "revert", "--no-edit", update);
    await iris.pushAsIs();
    const restored = await iris.image("production");
    expect(restored.tag).toMatch(/^production-v0\.1\.0-/);
    for (let interval = 0; interval < 2; interval += 1) {
      await iris.automate("production");
      expect(await iris.job("take-proposal")).toMatchObject({ exitCode: 0 });
      expect(await iris.job("promote")).toEqual({ exitCode: 0, output: "" });
      expect(await iris.image("production")).toEqual(restored);
    }
    // A request that is refused opens no back door.
    await iris.push({ [recordPath("production")]: `tag: latest\ndigest: ${after.digest}\n` });
    expect(await iris.job("promote")).toMatchObject({ exitCode: 1 });
    expect(await iris.job("take-proposal")).toEqual({ exitCode: 0, output: "" });
    expect(await iris.image("production")).toEqual(restored);
    // Another note is another promotion, of a tag that is there.
    const before = await iris.tags();
    await iris.ask("staging", "production", "once more");
    expect(await iris.job("promote")).toMatchObject({ exitCode: 0 });
    expect(await iris.job("take-proposal")).toMatchObject({ exitCode: 0 });
    expect(await iris.image("production")).toEqual(after);
    expect(await iris.tags()).toEqual(before);
  });

  test("is put on top of what somebody pushed meanwhile", async () => {
    const jack = await handedOver("jack");
    await jack.ship("0.3.0");
    await jack.ask("develop", "staging");
    await jack.job("promote");
    await jack.automate("staging");
    await jack.overtake("refs/heads/main");
    expect(await jack.job("take-proposal")).toMatchObject({ exitCode: 0 });
    expect((await jack.image("staging")).tag).toMatch(/^staging-v0\.3\.0-/);
    expect(await jack.git.git(jack.work, "log", "-2", "--format=%s")).toBe("Update backend in staging\nOther");
    expect(await readFile(join(jack.work, "app/VERSION"), "utf8")).toBe("0.3.0\n");
  });
});
