import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { unusableHome } from "../../cli/unusable-home.ts";
import { ExitCode } from "../../shared/errors.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();

/** What reading a folder fails with. */
const failureAt = (path: string) =>
  readdir(path).then(
    () => undefined,
    (error: unknown) => error,
  );

test("a file where the lab has a folder is named, and is no fault of the lab's folder", async () => {
  const file = join(home(), "cohorts", "demo", "learners", "bob");
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, "");
  for (const path of [file, join(file, "kind", "registries")])
    expect(unusableHome(await failureAt(path))).toMatchObject({
      code: "file-in-the-way",
      exitCode: ExitCode.badInput,
      message: expect.stringContaining(
        `${file} is a file where the lab has a folder. It was left as it is. Move it away with \`mv ${file} `,
      ),
    });
});

test("a lab's folder that is a file is not usable, and what is elsewhere is not the lab's to tell", async () => {
  const outside = join(home(), "file");
  await writeFile(outside, "");
  process.env["GITOPS_LAB_HOME"] = outside;
  expect(unusableHome(await failureAt(join(outside, "cohorts")))).toMatchObject({ code: "home-unusable" });
  process.env["GITOPS_LAB_HOME"] = join(home(), "other");
  expect(unusableHome(await failureAt(join(outside, "cohorts")))).toBeUndefined();
  process.env["GITOPS_LAB_HOME"] = home();
});
