import { existsSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { arrivals, backUp, hasWork, leavers, leaversSentence } from "../../cli/course/backup.ts";
import { createRepository, seedRepository } from "../../host/git/repository.ts";
import { run } from "../../shared/exec.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { makePrivateFolder, writePrivateFile } from "../../shared/private-files.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const paths = () => cohortPaths("leaving");

describe("who leaves the roster", () => {
  test("is found on the host, and so is who is new", async () => {
    expect(await leavers(cohortPaths("leaving"), ["ada"])).toEqual([]);
    for (const id of ["ada", "bob"]) await makePrivateFolder(paths().learner(id).root);
    expect(await leavers(cohortPaths("leaving"), ["ada", "adele"])).toEqual(["bob"]);
    expect(await arrivals(cohortPaths("leaving"), ["ada", "adele"])).toEqual(["adele"]);
  });

  test("is named with what becomes of the lab, and told that an id is for ever where somebody is new", () => {
    expect(leaversSentence(["ada"], [])).toBe(
      "ada is no longer in the cohort file. The lab of ada will be removed, after a backup of repository and records.",
    );
    expect(leaversSentence(["ada"], ["adele"])).toContain("adele is new. An id is for ever");
    expect(leaversSentence(["ada", "bob"], [])).toContain("ada, bob are no longer");
  });

  test("has a backup of what there is, and none of what there is not", async () => {
    const repository = join(paths().git, "bob", "gitops.git");
    await createRepository(repository, "main");
    expect(await hasWork(cohortPaths("leaving"), "bob")).toBe(false);
    await seedRepository(repository, "main", {
      files: { a: "a\n" },
      message: "Seed",
      author: { name: "Lab", email: "lab@localhost" },
      date: 1_767_225_600,
    });
    await writePrivateFile(join(paths().learner("bob").root, "quiz", "attempts.json"), "[]");
    expect(await hasWork(cohortPaths("leaving"), "bob")).toBe(true);
    const out = join(home(), "backup");
    await backUp(cohortPaths("leaving"), "bob", out);
    expect((await readdir(out)).sort()).toEqual(["quiz", "repository.bundle"]);
    expect((await run("git", ["bundle", "list-heads", join(out, "repository.bundle")])).stdout).toContain("refs/heads/main");
    expect(existsSync(join(out, "quiz", "attempts.json"))).toBe(true);
    await expect(backUp(cohortPaths("leaving"), "bob", out)).rejects.toMatchObject({ code: "backup-exists" });
  });
});
