import { createHash, randomBytes } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { mkdtemp } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { deflateSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { gitRepository, type GitRepositoryOutput } from "../../git-hosts/embedded/repository.ts";
import { LearnerError } from "../../host/git/learner-error.ts";
import type { PushListener } from "../../host/git/push.ts";
import { recentLimitHits } from "../../host/limits/hits.ts";
import { writeLimits } from "../../host/limits/stored.ts";
import { bareRepository } from "../../host/pipeline/bare-repository.ts";
import { jobsHere } from "../../host/jobs/jobs.ts";
import { Pipeline } from "../../host/pipeline/pipeline.ts";
import { run } from "../../shared/exec.ts";
import { defaultLimits } from "../../shared/limits.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { GitClient } from "../support/git-client.ts";
import { useLabHome } from "../support/lab-home.ts";
import { eventually, startLabServer, type LabServer } from "../support/lab-server.ts";

const MiB = 1024 * 1024;
const home = useLabHome();
const paths = () => cohortPaths("demo");
let pipeline: Pipeline;
let server: LabServer;

beforeAll(async () => {
  await writeLimits(paths(), {
    ...defaultLimits,
    push: 4 * MiB,
    file: MiB,
    refs: 30,
    disk: { ...defaultLimits.disk, git: 10 * MiB },
  });
  pipeline = new Pipeline({ cohort: "demo", paths: paths(), jobs: jobsHere(async () => "none"), onBranchMoved: () => undefined });
  server = await startLabServer(paths(), pipeline);
});
afterAll(() => server.close());

interface Learner {
  readonly id: string;
  readonly git: GitClient;
  readonly work: string;
  readonly output: GitRepositoryOutput;
  readonly authorization: string;
}

/** A learner with a clone of a seeded repository. */
async function learner(id: string, at: LabServer = server, cohort = "demo"): Promise<Learner> {
  const seed = { files: { "README.md": "A lab\n" }, message: "Seed", author: { name: "Lab", email: "lab@localhost" }, date: 1767225600 };
  const input = { cohort, learner: id, repository: "gitops", baseUrl: at.url, branch: "main", seed };
  const { output } = await gitRepository.ensure(input);
  const git = new GitClient(at.url, { username: output.learnerUsername, password: output.learnerPassword });
  const work = await mkdtemp(join(home(), "work-"));
  await git.git(work, "clone", "--quiet", output.url, ".");
  await git.git(work, "config", "core.bigFileThreshold", "1m");
  return {
    id,
    git,
    work,
    output,
    authorization: `Basic ${Buffer.from(`${output.learnerUsername}:${output.learnerPassword}`).toString("base64")}`,
  };
}

/** What the pusher reads of a push that is refused; the repository is as before. */
async function refusalOf({ git, work, output }: Learner, ...refspecs: string[]): Promise<string> {
  const state = async () => [
    await git.git(output.path, "for-each-ref"),
    (await readdir(join(output.path, "objects"), { recursive: true })).filter((name) => !/^(info|pack|..)$/.test(name)).sort(),
  ];
  const before = await state();
  const said = await git.try(work, "push", "origin", ...refspecs).then(
    ({ stderr }) => {
      throw new Error(`the push was accepted: ${stderr}`);
    },
    (error: unknown) => String((error as { stderr?: string }).stderr ?? error),
  );
  expect(await state()).toEqual(before);
  expect(said).not.toContain(home());
  return said.replace(/ *\n(?:remote: )?/g, "\n");
}

const hits = async (id: string) => (await recentLimitHits(paths().learner(id))).map(({ limit }) => limit);

/** Makes a commit of a tree, given as `git mktree` takes it, on top of main; returns its id. */
async function commitOf({ git, work }: Learner, entries: string | Buffer): Promise<string> {
  return git.git(work, "commit-tree", "-p", "HEAD", "-m", "Odd", await tree(work, entries));
}
async function tree(work: string, entries: string | Buffer): Promise<string> {
  return (await run("git", ["mktree", "-z", "--missing"], { cwd: work, input: entries })).stdout;
}
const blob = async (work: string, content: string) =>
  (await run("git", ["hash-object", "-w", "--stdin"], { cwd: work, input: content })).stdout;

const packet = (content: Buffer) => Buffer.concat([Buffer.from((content.length + 4).toString(16).padStart(4, "0")), content]);
const command = (id: string, ref: string) => Buffer.from(`${"0".repeat(40)} ${id} ${ref}\0 report-status side-band-64k`);
const createRef = (id: string, ref: string) => Buffer.concat([packet(command(id, ref)), Buffer.from("0000")]);

/** The answer to a push's request as it stands. */
async function push({ output, authorization }: Learner, body: Buffer, headers: Record<string, string> = {}): Promise<string> {
  const answer = await fetch(`${output.url}/git-receive-pack`, {
    method: "POST",
    headers: { authorization, "content-type": "application/x-git-receive-pack-request", ...headers },
    body: new Uint8Array(body),
  });
  return `${answer.status} ${await answer.text()}`;
}

describe("refused, with the limit, its figure and what to do", () => {
  test("a push that is larger than one may be", async () => {
    const ada = await learner("ada");
    for (let file = 0; file < 7; file += 1) await writeFile(join(ada.work, `${file}.bin`), randomBytes(0.9 * MiB));
    await ada.git.git(ada.work, "add", ".");
    await ada.git.git(ada.work, "commit", "--quiet", "--message", "Much");
    const said = await refusalOf(ada, "HEAD:main");
    expect(said).toContain("refused: The push is larger than 4 MiB, which is what one may have here (`push`).");
    expect(said).toContain("remote rejected");
    expect(await hits("ada")).toEqual(["push"]);
  });

  test("a record of 200 MB of zeros, which is a push of some KiB", async () => {
    const abe = await learner("abe");
    await run("mkdir", ["promotion"], { cwd: abe.work });
    await run("truncate", ["--size=200M", "promotion/production.yaml"], { cwd: abe.work });
    await abe.git.git(abe.work, "add", ".");
    await abe.git.git(abe.work, "commit", "--quiet", "--message", "Zeros");
    const before = process.memoryUsage().rss;
    const said = await refusalOf(abe, "HEAD:main");
    expect(said).toContain("promotion/production.yaml has 200 MiB, and a file may have 1 MiB (`file`).");
    expect(process.memoryUsage().rss - before).toBeLessThan(60 * MiB);
  });

  test("a record that is larger than anybody writes, though a file may be", async () => {
    const ali = await learner("ali");
    await ali.git.commit(ali.work, "promotion/staging.yaml", "a: 1\n".repeat(20_000));
    await ali.git.git(ali.work, "rm", "--quiet", "promotion/staging.yaml");
    await ali.git.git(ali.work, "commit", "--quiet", "--message", "Taken back");
    expect(await refusalOf(ali, "HEAD:main")).toContain("promotion/staging.yaml has 97.7 KiB, and the lab reads up to 64 KiB");
  });

  test("a commit whose message is a book", async () => {
    const amy = await learner("amy");
    await writeFile(join(amy.work, "message"), "word ".repeat(20_000));
    await amy.git.git(amy.work, "commit", "--quiet", "--allow-empty", "--file", "message");
    expect(await refusalOf(amy, "HEAD:main")).toContain("A commit has 97.8 KiB, its message included, and may have 64 KiB.");
  });

  test("ten thousand branches at once, and more than may be in all", async () => {
    const bob = await learner("bob");
    const commands = Array.from({ length: 10_000 }, (_, index) => packet(command(bob.output.seedCommit, `refs/heads/many/${index}`)));
    expect(await push(bob, Buffer.concat([...commands, Buffer.from("0000")]))).toContain("it is of more than 30 branches and tags");
    await bob.git.git(bob.work, "push", "--quiet", "origin", ...Array.from({ length: 20 }, (_, index) => `HEAD:refs/heads/some/${index}`));
    expect(await refusalOf(bob, ...Array.from({ length: 10 }, (_, index) => `HEAD:refs/tags/t${index}`))).toContain(
      "The repository would have 31 branches and tags, and may have 30 (`refs`). Delete some",
    );
    await bob.git.git(
      bob.work,
      "push",
      "--quiet",
      "origin",
      ":some/0",
      ...Array.from({ length: 10 }, (_, index) => `HEAD:refs/tags/t${index}`),
    );
    expect(await hits("bob")).toEqual(["refs", "refs"]);
  });

  test("what makes the repository larger than it may be; what is deleted makes room", async () => {
    const cat = await learner("cat");
    const fill = async (branch: string) => {
      await cat.git.git(cat.work, "checkout", "--quiet", "-b", branch, "origin/main");
      for (let file = 0; file < 4; file += 1) await writeFile(join(cat.work, `${branch}${file}.bin`), randomBytes(0.9 * MiB));
      await cat.git.git(cat.work, "add", ".");
      await cat.git.git(cat.work, "commit", "--quiet", "--message", branch);
    };
    for (const branch of ["one", "two"]) {
      await fill(branch);
      await cat.git.git(cat.work, "push", "--quiet", "origin", branch);
    }
    await fill("three");
    expect(await refusalOf(cat, "three")).toMatch(
      /The repository would take 10\.\d MiB with this push, and may take 10 MiB \(`disk\.git`\)\./,
    );
    await cat.git.git(cat.work, "push", "--quiet", "origin", ":one");
    await pipeline.tidied();
    await cat.git.git(cat.work, "push", "--quiet", "origin", "three");
    expect(await hits("cat")).toEqual(["disk.git"]);
  });

  test("a folder in a folder, and so on", async () => {
    const dan = await learner("dan");
    let inner = await tree(dan.work, `100644 blob ${await blob(dan.work, "x\n")}\tfile\0`);
    for (let depth = 0; depth < 40; depth += 1) inner = await tree(dan.work, `040000 tree ${inner}\td\0`);
    const commit = await dan.git.git(dan.work, "commit-tree", "-p", "HEAD", "-m", "Deep", inner);
    expect(await refusalOf(dan, `${commit}:refs/heads/main`)).toContain("is more than 32 folders deep.");
  });

  test("a tree of a thousand million files in ten objects", async () => {
    const dora = await learner("dora");
    let inner = await tree(dora.work, `100644 blob ${await blob(dora.work, "x\n")}\tfile\0`);
    for (let depth = 0; depth < 9; depth += 1)
      inner = await tree(dora.work, Array.from({ length: 10 }, (_, index) => `040000 tree ${inner}\t${index}\0`).join(""));
    const commit = await dora.git.git(dora.work, "commit-tree", "-p", "HEAD", "-m", "Bomb", inner);
    expect(await refusalOf(dora, `${commit}:refs/heads/main`)).toContain("has more than 10000 files");
  });

  test.each([
    ["erin", "a control character", Buffer.from("a\u001bb"), "a?b is a path with characters that can't be seen."],
    ["eli", "a direction of writing", Buffer.from("a\u202eb.yaml"), "a?b.yaml is a path with characters that can't be seen."],
    ["eva", "bytes that are no UTF-8", Buffer.from([0x61, 0xff, 0x62]), "a?b is a path that is no UTF-8."],
    ["ezra", "too many bytes", Buffer.from("x".repeat(2000)), "is a path of 2000 bytes, and one may have 1024."],
  ])("(%s) a path with %s", async (id, _, name, sentence) => {
    const someone = await learner(id);
    const entry = Buffer.concat([Buffer.from(`100644 blob ${await blob(someone.work, "x\n")}\t`), name, Buffer.from([0])]);
    expect(await refusalOf(someone, `${await commitOf(someone, entry)}:refs/heads/main`)).toContain(sentence);
  });

  test.each([
    ["finn", "characters that can't be seen", "refs/heads/a\u200bb", "has characters that can't be seen or are no UTF-8"],
    [
      "faye",
      "more bytes than a file's name has",
      `refs/heads/${"b".repeat(239)}`,
      "the name of a ref is 250 bytes long, and the lab takes 240",
    ],
    ["fred", "the branch's name, as a tag", "refs/tags/main", "refs/tags/main can be taken for the branch main"],
    ["flo", "a full name within a name", "refs/heads/refs/heads/main", "can be taken for the branch main"],
    [
      "floyd",
      "the name of a commit, in full",
      `refs/heads/${"0123456789abcdef".repeat(3).slice(0, 40)}`,
      "for another ref or for a commit",
    ],
    ["fran", "the name of what is checked out, as a tag", "refs/tags/HEAD", "for another ref or for a commit"],
  ])("(%s) a ref with %s", async (id, _, ref, sentence) => {
    expect(await refusalOf(await learner(id), `HEAD:${ref}`)).toContain(sentence);
  });

  test("a ref whose name is no UTF-8", async () => {
    const fin = await learner("fin");
    const line = Buffer.concat([
      Buffer.from(`${"0".repeat(40)} ${fin.output.seedCommit} refs/heads/a`),
      Buffer.from([0xff]),
      Buffer.from("\0 report-status side-band-64k"),
    ]);
    const answer = await push(fin, Buffer.concat([packet(line), Buffer.from("0000")]));
    expect(answer).toContain("are no UTF-8. Choose another name.");
  });

  test("a name that a checkout would stumble over", async () => {
    const gus = await learner("gus");
    const inner = await tree(gus.work, `100644 blob ${await blob(gus.work, "[core]\n")}\tconfig\0`);
    // Git itself makes no such tree.
    const raw = Buffer.concat([Buffer.from("40000 .git\0"), Buffer.from(inner, "hex")]);
    const { stdout: odd } = await run("git", ["hash-object", "-t", "tree", "-w", "--stdin", "--literally"], { cwd: gus.work, input: raw });
    const commit = await gus.git.git(gus.work, "commit-tree", "-p", "HEAD", "-m", "Odd", odd);
    expect(await refusalOf(gus, `${commit}:refs/heads/main`)).toContain("hasDotgit");
  });
});

describe("little that stands for much", () => {
  /** A compressed file: the beginning, and so many MB of zeros. */
  async function bomb(beginning: Buffer, megabytes: number): Promise<Buffer> {
    const file = join(home(), "beginning");
    await writeFile(file, beginning);
    const { stdout } = await run("/bin/sh", ["-c", `(cat "$1"; head -c ${megabytes}M /dev/zero) | gzip -9`, "sh", file], {
      encoding: "buffer",
    });
    return Buffer.from(stdout);
  }

  test("in the request of a push is decompressed to the limit, and no further", async () => {
    const hal = await learner("hal");
    const body = await bomb(createRef(hal.output.seedCommit, "refs/heads/bomb"), 400);
    const before = process.memoryUsage().rss;
    expect(await push(hal, body, { "content-encoding": "gzip" })).toMatch(/larger than 4 MiB|unpack/);
    expect(process.memoryUsage().rss - before).toBeLessThan(80 * MiB);
  });

  test("in the request of a fetch is not decompressed to its end", async () => {
    const ian = await learner("ian");
    const answer = await fetch(`${ian.output.url}/git-upload-pack`, {
      method: "POST",
      headers: { authorization: ian.authorization, "content-encoding": "gzip", "content-type": "application/x-git-upload-pack-request" },
      body: new Uint8Array(await bomb(Buffer.alloc(0), 400)),
    });
    expect(answer.status).toBe(413);
  });

  test.each([
    ["br", 415],
    ["gzip", 400],
  ])("and what is not in the coding that it says (%s) is %i", async (coding, status) => {
    const ivy = await learner("ivy");
    expect(await push(ivy, Buffer.from("nothing of the kind"), { "content-encoding": coding })).toMatch(`${status} `);
  });

  test("as a delta costs no more memory than Git is given", async () => {
    const jim = await learner("jim");
    const content = Buffer.alloc(16 * MiB);
    const base = createHash("sha1").update(`blob ${content.length}\0`).update(content).digest();
    const size = (value: number) => {
      const bytes: number[] = [];
      for (let left = value; ; left = Math.floor(left / 128)) {
        bytes.push((left % 128) | (left >= 128 ? 128 : 0));
        if (left < 128) return Buffer.from(bytes);
      }
    };
    const header = (type: number, length: number) => {
      const rest = Math.floor(length / 16);
      return Buffer.concat([Buffer.from([(rest > 0 ? 128 : 0) | (type << 4) | (length % 16)]), ...(rest > 0 ? [size(rest)] : [])]);
    };
    const times = 100;
    const copies = Buffer.concat(Array.from({ length: times }, () => Buffer.from([0xf0, 0xff, 0xff, 0xff])));
    const delta = Buffer.concat([size(content.length), size(times * 0xffffff), copies]);
    const counted = Buffer.concat([
      Buffer.from("PACK"),
      Buffer.from([0, 0, 0, 2, 0, 0, 0, 2]),
      ...[header(3, content.length), deflateSync(content), header(7, delta.length), base, deflateSync(delta)],
    ]);
    const pack = Buffer.concat([counted, createHash("sha1").update(counted).digest()]);
    const answer = await push(jim, Buffer.concat([createRef(base.toString("hex"), "refs/tags/bomb"), pack]));
    expect(answer).toMatch(/out of memory/i);
  });
});

test("what a deleted branch had is gone from the disk soon, and the rest is there", async () => {
  const kim = await learner("kim");
  const large = await kim.git.commit(kim.work, "large.bin", randomBytes(0.9 * MiB));
  await kim.git.git(kim.work, "push", "--quiet", "origin", "HEAD:large");
  expect(await kim.git.git(kim.output.path, "cat-file", "-t", large)).toBe("commit");
  await kim.git.git(kim.work, "push", "--quiet", "origin", ":large");
  await pipeline.tidied();
  await expect(kim.git.git(kim.output.path, "cat-file", "-t", large)).rejects.toThrow();
  await kim.git.git(kim.output.path, "fsck", "--strict");
  expect(await kim.git.git(kim.output.path, "rev-parse", "refs/gitops-lab/seed")).toBe(kim.output.seedCommit);
});

test("many packs are put together", async () => {
  const kay = await learner("kay");
  const packed = "git hash-object -w --stdin | git pack-objects --quiet objects/pack/pack";
  await run("/bin/sh", ["-c", `for count in $(seq 30); do echo $count | ${packed}; done`], { cwd: kay.output.path });
  await kay.git.commit(kay.work, "a.txt", "a\n");
  await kay.git.git(kay.work, "push", "--quiet", "origin", "HEAD:main");
  await pipeline.tidied();
  const packs = (await readdir(join(kay.output.path, "objects/pack"))).filter((name) => name.endsWith(".pack"));
  expect(packs.length).toBeLessThan(5);
  expect(await kay.git.git(kay.output.path, "rev-list", "--count", "refs/heads/main")).toBe("2");
});

test("who asks for everything at once waits for the own requests, and nobody else does", async () => {
  const lea = await learner("lea");
  const max = await learner("max");
  // Git waits for somebody who writes into the pipe.
  await run("mkfifo", [join(lea.output.path, "packed-refs")]);
  const ask = ({ output, authorization }: Learner) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = request(`${output.url}/info/refs?service=git-upload-pack`, { headers: { authorization }, agent: false }, (answer) =>
        resolve(answer.resume().statusCode ?? 0),
      );
      outgoing.on("error", reject).end();
      left.push(() => outgoing.destroy());
    });
  const left: (() => void)[] = [];
  const asked = Array.from({ length: 15 }, () => ask(lea).catch(() => 0));
  await eventually("a request too many", async () => (await Promise.race([ask(lea), eventually429()])) === 429);
  expect(await ask(max)).toBe(200);
  expect(await hits("lea")).toContain("requests");
  for (const leave of left) leave();
  await Promise.all(asked);
});
const eventually429 = () => new Promise<number>((resolve) => setTimeout(resolve, 500, 0));

test("Git LFS is told that there is none, in its own form", async () => {
  const ned = await learner("ned");
  const answer = await fetch(`${ned.output.url}/info/lfs/objects/batch`, { method: "POST", body: "{}" });
  expect([answer.status, answer.headers.get("content-type")]).toEqual([501, "application/vnd.git-lfs+json"]);
  expect(await answer.json()).toEqual({ message: expect.stringMatching(/^There is no Git LFS in this lab/) });
});

describe("what goes wrong within the lab", () => {
  const failing = (error: Error): PushListener => ({ refusals: () => Promise.reject(error), accepted: async () => undefined });
  test.each([
    [
      "is told without its words",
      new Error("git log in /root/secret/place failed"),
      /The lab could not judge this push, so it was not accepted/,
    ],
    ["is told where it is made for the learner", new LearnerError("x", "VERSION has 5 GiB."), /refused: VERSION has 5 GiB\./],
  ])("%s", async (_, error, said) => {
    const other = await startLabServer(cohortPaths("other"), failing(error));
    try {
      const someone = await learner("olaf", other, "other");
      await someone.git.commit(someone.work, "a.txt", "a\n");
      const stderr = await someone.git.try(someone.work, "push", "origin", "HEAD:main").catch((failed) => String(failed.stderr));
      expect(stderr).toMatch(said);
      expect(stderr).not.toContain("secret");
    } finally {
      await other.close();
    }
  });
});

describe("the pipeline's looks into a repository", () => {
  test("go by full names: a tag like the branch changes nothing", async () => {
    const pam = await learner("pam");
    await pam.git.git(pam.output.path, "update-ref", "refs/tags/main", pam.output.seedCommit);
    expect(await bareRepository(pam.output.path).branch()).toBe("main");
  });

  test("read no file that is larger than anybody writes", async () => {
    const quin = await learner("quin");
    const commit = await quin.git.commit(quin.work, "big.yaml", "a: 1\n".repeat(20_000));
    await quin.git.git(quin.work, "push", "--quiet", quin.output.path, "HEAD:main");
    const repository = bareRepository(quin.output.path);
    await expect(repository.readFile(commit, "big.yaml")).rejects.toThrow(/^big\.yaml has 97\.7 KiB, and the lab reads up to 64 KiB/);
    expect(await repository.readFile(commit, "big.yaml", MiB)).toHaveLength(100_000);
    expect(await repository.readFile(commit, "README.md")).toBe("A lab\n");
    expect(await repository.readFile(commit, "none")).toBeUndefined();
  });

  test.each([
    ["a symbolic link", async (_: string) => "120000", /link is a symbolic link, and the lab follows none/],
    ["a file", async (_: string) => "100644", undefined],
  ])("write to disk %s or do not", async (_, modeOf, refusal) => {
    const ray = await learner("ray");
    const mode = await modeOf(ray.work);
    const commit = await commitOf(ray, `${mode} blob ${await blob(ray.work, "/etc/passwd")}\tlink\0`);
    await ray.git.git(ray.work, "push", "--quiet", "--force", ray.output.path, `${commit}:refs/heads/odd`);
    const target = await mkdtemp(join(home(), "extracted-"));
    const extracted = bareRepository(ray.output.path).extract(commit, target);
    if (refusal === undefined) {
      await extracted;
      expect(await readFile(join(target, "link"), "utf8")).toBe("/etc/passwd");
    } else {
      await expect(extracted).rejects.toThrow(refusal);
      expect(await readdir(target)).toEqual([]);
    }
  });
});
