import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL, fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readTree } from "../../lab-templates/gitops-promotion/files.ts";
import { run } from "../../shared/exec.ts";
import { requireCheckout } from "../../tools/checkout.ts";
import { foreignCheckout } from "../support/checkouts.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
let folder: string;
let checkout: { readonly root: string; readonly lab: string };

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "gl-checkout-"));
  checkout = await foreignCheckout(folder);
});
afterAll(() => rm(folder, { recursive: true, force: true }));

test("a clone that asks for Windows' line ends has none, and its lab runs from a path with spaces through a link", async () => {
  const { stdout } = await run("git", ["ls-files", "--eol"], { cwd: checkout.root });
  const ends = stdout.split("\n").map((line) => line.split(/\s+/)[1]);
  expect(ends.length).toBeGreaterThan(500);
  expect(ends.filter((end) => !["w/lf", "w/none", "w/-text"].includes(end!))).toEqual([]);
  const help = await run(checkout.lab, ["--help"], { cwd: folder });
  expect(help.stdout).toMatch(/^Usage: lab /);
  expect(() => requireCheckout(checkout.root)).not.toThrow();
});

test("a push is not taken where Git would pass over the hook that judges it", async () => {
  const hook = join(checkout.root, "host/git/hooks/pre-receive");
  const { startBackend } = (await import(
    pathToFileURL(join(checkout.root, "host/git/backend.ts")).href
  )) as typeof import("../../host/git/backend.ts");
  const push = (path: string) =>
    startBackend({
      request: new Request("http://127.0.0.1/", { method: "POST" }),
      contentLength: "0",
      body: undefined,
      root: folder,
      path,
      user: "ada",
      hookSocket: join(folder, "none.sock"),
      push: { learner: "ada", repository: "gitops", user: "ada" },
      mostBytes: 1,
    });
  await chmod(hook, 0o644);
  try {
    await expect(push("/ada/gitops.git/git-receive-pack")).rejects.toThrow(/pre-receive/);
    await (await push("/ada/gitops.git/git-upload-pack")).backend;
  } finally {
    await chmod(hook, 0o755);
  }
});

test("a plugin of it starts where a path means something in an address", async () => {
  const plugin = run(join(checkout.root, "tools/pulumi-plugins/pulumi-resource-pulumi-nodejs"), ["127.0.0.1:1"], { cwd: checkout.root });
  const [said] = await Promise.all([plugin.stdout[Symbol.asyncIterator]().next(), undefined]);
  plugin.kill();
  await plugin.catch(() => {});
  expect(String(said.value)).toMatch(/^\d+\n$/);
});

test("what is seeded ends its lines with LF, whatever the checkout has", async () => {
  const files = join(root, "lab-templates/gitops-promotion/files/");
  const foreign = join(folder, "files");
  await cp(files, foreign, { recursive: true });
  for (const path of Object.keys(readTree(pathToFileURL(files)))) {
    const file = join(foreign, path);
    await writeFile(file, (await readFile(file, "utf8")).replaceAll("\n", "\r\n"));
  }
  const tree = readTree(pathToFileURL(`${foreign}/`));
  expect(Object.keys(tree).length).toBeGreaterThan(20);
  expect(tree).toEqual(readTree(pathToFileURL(files)));
});

test.each([
  [
    "a hook that lost its mode",
    "host/git/hooks/pre-receive",
    (file: string) => chmod(file, 0o644),
    /pre-receive may not be executed\. Nothing was created\. Mend it with `(chmod \+x [^`]*)`/,
  ],
  [
    "a script with Windows' line ends",
    "tools/pulumi-engine/bin/pulumi",
    async (file: string) => writeFile(file, (await readFile(file, "utf8")).replaceAll("\n", "\r\n")),
    /bin\/pulumi has the line ends of Windows\. Nothing was created\. Mend it with `(sed -i [^`]*)`/,
  ],
])("%s is told with a command that mends it", async (_name, file, harm, message) => {
  await harm(join(checkout.root, file));
  let said = "";
  try {
    requireCheckout(checkout.root);
  } catch (error) {
    expect(error).toMatchObject({ code: "checkout-damaged", exitCode: 2 });
    said = (error as Error).message;
  }
  expect(said).toMatch(message);
  await run("sh", ["-c", message.exec(said)![1]!]);
  expect(() => requireCheckout(checkout.root)).not.toThrow();
});
