import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { Advertisements } from "../../host/git/advertisement.ts";
import { createRepository, seedRepository } from "../../host/git/repository.ts";
import { run } from "../../shared/exec.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
let repository: string;
let asked: number;
let advertisements: Advertisements;

beforeEach(async () => {
  repository = join(await mkdtemp(join(home(), "git-")), "lab.git");
  await createRepository(repository, "main");
  await seedRepository(repository, "main", {
    files: { "README.md": "one" },
    message: "Seed",
    author: { name: "Ada", email: "ada@example.org" },
    date: 1_790_000_000,
  });
  asked = 0;
  advertisements = new Advertisements();
});

/** As Git itself answers, counted. */
const refs = (protocol = "") =>
  advertisements
    .answer(repository, protocol, async () => {
      asked += 1;
      const { stdout } = await run("git", ["upload-pack", "--http-backend-info-refs", repository], { encoding: "buffer" });
      return new Response(new Uint8Array(stdout), { headers: { "content-type": "application/x-git-upload-pack-advertisement" } });
    })
    .then(async (answer) => ({ type: answer.headers.get("content-type"), text: await answer.text() }));
const git = (...args: string[]) => run("git", [`--git-dir=${repository}`, ...args]);

describe("what refs a repository has", () => {
  test("Git is asked once while they rest, and every client gets the whole answer", async () => {
    const first = await refs();
    expect(first.type).toBe("application/x-git-upload-pack-advertisement");
    expect(first.text).toContain("refs/heads/main");
    expect(await Promise.all([refs(), refs(), refs()])).toEqual([first, first, first]);
    expect(asked).toBe(1);
  });

  test.each<[string, () => Promise<unknown>]>([
    ["a new branch", () => git("branch", "topic")],
    ["a new tag", () => git("tag", "v1")],
    ["a note of the pipeline's", () => git("update-ref", "refs/notes/pipeline", "main")],
    ["another default branch", () => git("symbolic-ref", "HEAD", "refs/heads/other")],
  ])("Git is asked anew after %s", async (_, change) => {
    await refs();
    await change();
    const { text } = await refs();
    expect(asked).toBe(2);
    const { stdout } = await run("git", ["upload-pack", "--http-backend-info-refs", repository], { stripFinalNewline: false });
    expect(text).toBe(stdout);
  });

  test("a branch that moves on and is packed is seen each time", async () => {
    const before = await refs();
    await git("branch", "topic");
    await git("pack-refs", "--all");
    const packed = await refs();
    expect(packed.text).toContain("refs/heads/topic");
    await git("branch", "-D", "topic");
    expect(await refs()).toEqual(before);
  });

  test("each protocol has an answer of its own", async () => {
    await refs();
    await refs("version=2");
    await refs("version=2");
    expect(asked).toBe(2);
  });

  test("nothing is kept of a refusal, of a repository that is gone, and of one with files where refs should be", async () => {
    await advertisements.answer(repository, "", async () => new Response("no", { status: 403 }));
    await refs();
    expect(asked).toBe(1);
    await Promise.all(
      Array.from({ length: 601 }, (_, index) => writeFile(join(repository, "refs/tags", `t${index}`), `${"1".repeat(40)}\n`)),
    );
    await refs();
    await refs();
    expect(asked).toBe(3);
    await rm(repository, { recursive: true });
    const gone = await advertisements.answer(repository, "", async () => new Response("gone", { status: 404 }));
    expect(gone.status).toBe(404);
  });
});
