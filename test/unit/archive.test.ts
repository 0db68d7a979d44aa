import { generateKeyPairSync } from "node:crypto";
import { buffer } from "node:stream/consumers";
import { createGzip } from "node:zlib";
import { pack } from "tar-stream";
import { describe, expect, test } from "vitest";
import { checkArchive, packArchive, refuseCredentials, unpackArchive, withoutSecrets } from "../../cli/course/archive.ts";
import { LabError } from "../../shared/errors.ts";

const key = () => generateKeyPairSync("ed25519").privateKey;
const files = new Map([
  ["results.json", Buffer.from("{}")],
  ["learners/ada/records/quiz.json", Buffer.from('{"attempts":[]}')],
]);
const archived = async () => unpackArchive(await packArchive("demo", files, key()), "x");

describe("an archive", () => {
  test("gives back what was packed, and is valid", async () => {
    const unpacked = await archived();
    for (const [name, content] of files) expect(unpacked.get(name)?.equals(content)).toBe(true);
    expect(checkArchive(unpacked)).toMatchObject({
      problems: [],
      manifest: { cohort: "demo" },
      fingerprint: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
    });
  });

  test.each<[string, (unpacked: Map<string, Buffer>) => unknown, RegExp]>([
    ["a changed file", (unpacked) => unpacked.set("results.json", Buffer.from("{ }")), /results\.json is not as it was archived/],
    ["a missing file", (unpacked) => unpacked.delete("results.json"), /results\.json is missing/],
    ["an added file", (unpacked) => unpacked.set("more.json", Buffer.from("")), /more\.json does not belong/],
    ["no manifest", (unpacked) => unpacked.delete("manifest.json"), /manifest\.json is missing/],
    ["another manifest", (unpacked) => unpacked.set("manifest.json", Buffer.from("{}")), /not in the documented form/],
    [
      "a manifest changed after the signing",
      (unpacked) => unpacked.set("manifest.json", Buffer.from(unpacked.get("manifest.json")!.toString().replace('"demo"', '"dome"'))),
      /no signature of manifest/,
    ],
  ])("with %s is not valid", async (_, change, problem) => {
    const unpacked = await archived();
    change(unpacked);
    expect(checkArchive(unpacked).problems.join(" ")).toMatch(problem);
  });

  test.each<[string, () => Promise<Buffer>]>([
    ["another file", async () => Buffer.from("no archive")],
    ["a part of one", async () => (await packArchive("demo", files, key())).subarray(0, 300)],
    [
      "one with a link in it",
      () => {
        const tar = pack();
        tar.entry({ name: "results.json", type: "symlink", linkname: "/etc/passwd" });
        tar.finalize();
        return buffer(tar.pipe(createGzip()));
      },
    ],
  ])("is not read from %s", async (_, content) => {
    await expect(unpackArchive(await content(), "x.tar.gz")).rejects.toThrow(LabError);
  });
});

describe("credentials", () => {
  const kubeconfig = (secret: string) => `users:\n- user:\n    client-certificate-data: cert\n    client-key-data: ${secret}\n`;
  const learner = {
    git: { password: 'git-"secret"' },
    registry: { password: "registry-secret" },
    cluster: { kubeconfig: kubeconfig("learner-key"), adminKubeconfig: kubeconfig("admin-key") },
  } as Parameters<typeof refuseCredentials>[1][number];

  test.each(['git-"secret"', JSON.stringify('git-"secret"'), "registry-secret", "learner-key", "admin-key"])(
    "never get into one: %s",
    (secret) => {
      const found = new Map([...files, ["learners/ada/evidence/evidence.json", Buffer.from(`so: ${secret}.`)]]);
      expect(() => refuseCredentials(found, [learner])).toThrow(
        expect.objectContaining({ code: "archive-secret", message: expect.stringContaining("learners/ada/evidence/evidence.json") }),
      );
    },
  );

  test("are not seen where there are none", () => expect(() => refuseCredentials(files, [learner])).not.toThrow());

  test("of Pulumi leave the cohort file", () => {
    const file = {
      encryptionsalt: "v1:x",
      encryptedkey: "k",
      config: {
        "github:token": { secure: "v1:abc" },
        "gitops-lab:cohort": { course: "A", learners: [{ id: "ada", token: { secure: "v1:def" } }] },
      },
    };
    expect(withoutSecrets(file)).toEqual({
      config: { "github:token": "[secret]", "gitops-lab:cohort": { course: "A", learners: [{ id: "ada", token: "[secret]" }] } },
    });
  });
});
