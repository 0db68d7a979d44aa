import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { conditions } from "../../clusters/external/conditions.ts";
import { ClusterSpec } from "../../clusters/providers.ts";
import { conditions as sharedConditions } from "../../clusters/vcluster/conditions.ts";
import type { SharedSpec } from "../../clusters/vcluster/spec.ts";
import { readBrought, versionOf } from "../../clusters/brought-kubeconfig.ts";
import { requireProviders, unmetNeeds } from "../../cli/providers.ts";
import { activeContext } from "../../shared/kube-api.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";

const folder = mkdtempSync(join(tmpdir(), "external-kubeconfig-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

interface Parts {
  readonly cluster?: object;
  readonly user?: object | null;
  readonly more?: object;
}
const server = "https://ada.example.org:6443";

function kubeconfig({ cluster = { server }, user = { token: "t" }, more = {} }: Parts = {}): string {
  return stringify({
    apiVersion: "v1",
    kind: "Config",
    clusters: [
      { name: "there", cluster },
      { name: "elsewhere", cluster: { server: "https://elsewhere.example.org" } },
    ],
    users: [{ name: "admin", user }],
    contexts: [
      { name: "lab", context: { cluster: "there", user: "admin" } },
      { name: "other", context: { cluster: "elsewhere", user: "admin" } },
    ],
    "current-context": "lab",
    ...more,
  });
}

function written(name: string, text: string | Buffer): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

function read(text: string | Buffer, context?: string) {
  return readBrought({ kubeconfig: written("one.yaml", text), ...(context !== undefined && { context }) });
}

describe("a kubeconfig that is brought", () => {
  test("gives one cluster and one user of it, and nothing of the others", () => {
    const brought = read(kubeconfig());
    expect(brought).toMatchObject({ server, kubeconfig: expect.not.stringContaining("elsewhere") });
    expect(activeContext((brought as { kubeconfig: string }).kubeconfig)).toMatchObject({ cluster: { server }, user: { token: "t" } });
    expect(read(kubeconfig(), "other")).toMatchObject({ server: "https://elsewhere.example.org" });
  });

  test("takes with it what it names beside itself, by the path as kubectl has it", () => {
    written("ca.crt", "CA");
    written("tls.key", "KEY");
    const cluster = { server, "certificate-authority": "ca.crt" };
    const user = { "client-certificate-data": "Q0VSVA==", "client-key": join(folder, "tls.key"), tokenFile: "token" };
    const brought = read(kubeconfig({ cluster, user })) as { kubeconfig: string };
    expect(activeContext(brought.kubeconfig)).toMatchObject({
      cluster: { "certificate-authority-data": Buffer.from("CA").toString("base64") },
      user: {
        "client-certificate-data": "Q0VSVA==",
        "client-key-data": Buffer.from("KEY").toString("base64"),
        tokenFile: join(folder, "token"),
      },
    });
    const login = (command: string) => {
      const exec = { apiVersion: "client.authentication.k8s.io/v1", command };
      return activeContext((read(kubeconfig({ user: { exec } })) as { kubeconfig: string }).kubeconfig).user;
    };
    expect(login("./login.sh")).toMatchObject({ exec: { command: join(folder, "login.sh") } });
    expect(login("aws")).toMatchObject({ exec: { command: "aws" } });
  });

  test.each<[string, Parameters<typeof read>, RegExp]>([
    ["a list", ["- a\n- b\n"], /is no kubeconfig/],
    ["one word", ["/etc/passwd"], /is no kubeconfig/],
    ["nothing", [""], /is no kubeconfig/],
    ["no YAML", ["a: [b\n"], /is not valid YAML: /],
    ["bytes", [Buffer.from([0xff, 0xfe, 0x00, 0x61])], /UTF-16|UTF-8/],
    ["no current context", [kubeconfig({ more: { "current-context": "" } })], /has no current context: name one in `cluster\.context`/],
    ["no such context", [kubeconfig(), "ada"], /has no context "ada"/],
    ["no cluster", [kubeconfig({ more: { clusters: [] } })], /has no cluster "there"/],
    ["no user", [kubeconfig({ more: { users: [] } })], /has no user "admin"/],
    ["a cluster without TLS", [kubeconfig({ cluster: { server: "http://ada" } })], /without a `server` that starts with https/],
    ["a cluster without an address", [kubeconfig({ cluster: {} })], /without a `server`/],
    ["a way by a proxy", [kubeconfig({ cluster: { server, "proxy-url": "socks5://x" } })], /by `proxy-url`/],
    ["nobody who logs in", [kubeconfig({ user: null })], /has a user without a certificate, a token/],
    ["an auth-provider", [kubeconfig({ user: { "auth-provider": { name: "gcp" } } })], /given up for `exec`/],
    ["another user's part", [kubeconfig({ user: { token: "t", as: "root" } })], /acts as another user/],
    ["a program without a name", [kubeconfig({ user: { exec: {} } })], /does not name its `command`/],
    ["a certificate that is not there", [kubeconfig({ user: { "client-certificate": "no.crt" } })], /names .*no\.crt, which can't be read/],
    ["a certificate that is a folder", [kubeconfig({ cluster: { server, "certificate-authority": "." } })], /which is a folder/],
    ["a number for a server", [kubeconfig({ cluster: { server: 1 } })], /without a `server`/],
    ["users that are none", [kubeconfig({ more: { users: [{ name: 1 }] } })], /is no kubeconfig: `users\.0\.name`/],
    ["more than a kubeconfig has", [`${kubeconfig()}\n#${"x".repeat(300_000)}`], /no more than 256 KiB are read/],
  ])("that is %s is refused in a clause", (_, given, problem) => {
    const answer = read(...given);
    expect(answer).toHaveProperty("problem");
    expect((answer as { problem: string }).problem).toMatch(problem);
    expect((answer as { problem: string }).problem).toMatch(/^\S+one\.yaml /);
    expect((answer as { problem: string }).problem).not.toMatch(/\n|\.$/);
  });

  test("that is a folder, a pipe or not there is refused as well, and waited for by nobody", () => {
    mkdirSync(join(folder, "folder"));
    execFileSync("mkfifo", [join(folder, "pipe")]);
    const problem = (file: string) => (readBrought({ kubeconfig: join(folder, file) }) as { problem: string }).problem;
    expect(problem("folder")).toMatch(/is a folder/);
    expect(problem("pipe")).toMatch(/is no ordinary file/);
    expect(problem("nowhere")).toMatch(/there is no such file/);
  });

  test("has another version when what it says is another, and tells nothing of it", () => {
    const [first, second] = [kubeconfig(), kubeconfig({ user: { token: "other" } })].map((text) => {
      const named = { kubeconfig: written("version.yaml", text) };
      return versionOf(named);
    });
    expect(first).toMatch(/^[0-9a-f]{16}$/);
    expect(second).toMatch(/^[0-9a-f]{16}$/);
    expect(second).not.toBe(first);
    expect(versionOf({ kubeconfig: join(folder, "nowhere") })).toBe("unreadable");
  });
});

describe("what clusters that are brought need", () => {
  const spec = (file: string, text?: string) => ({
    kind: "external" as const,
    kubeconfig: text === undefined ? join(folder, file) : written(file, text),
  });

  test("is a kubeconfig each", async () => {
    const other = kubeconfig({ cluster: { server: "https://bob.example.org" } });
    expect(await conditions([spec("ada.yaml", kubeconfig()), spec("bob.yaml", other)])).toMatchObject([{ met: true }, { met: true }]);
    expect(await conditions([spec("ada.yaml"), spec("missing.yaml")])).toMatchObject([
      { met: true },
      { met: false, found: expect.stringContaining("missing.yaml can't be read: there is no such file") },
    ]);
    expect(await conditions([])).toMatchObject([{ met: true }]);
  });

  test("is no cluster twice, by whatever file", async () => {
    const same = {
      met: false,
      found: expect.stringMatching(/^2 learners would be on one cluster, https:\/\/ada\.example\.org:6443\/ \(.*each takes a whole one/),
    };
    expect(await conditions([spec("ada.yaml"), spec("ada.yaml")])).toMatchObject([same]);
    const found = await conditions([
      spec("ada.yaml"),
      spec("again.yaml", kubeconfig({ cluster: { server: `${server}/` }, user: { token: "u" } })),
    ]);
    expect(found).toMatchObject([same]);
    expect(found[0]?.found).toMatch(/ada\.yaml and \S*again\.yaml/);
  });
});

test("`plan` and `up` name the learners whose clusters lack something, by the same words", async () => {
  written("eve.yaml", kubeconfig());
  const learners = ["eve", "zoe"].map((id) => ({ id, name: id, email: `${id}@example.org` }));
  const spec = parseCohort({ course: "x", cluster: { kind: "external", kubeconfig: join(folder, "{learner}.yaml") }, learners }, "x");
  const plan = planCohort("sre", spec);
  const sentence = expect.stringMatching(
    /^clusters of kind external \(eve, zoe\) need kubeconfig: \S+zoe\.yaml can't be read: there is no such file$/,
  );
  expect([...(await unmetNeeds(plan, { bySetup: false })).values()]).toEqual([sentence]);
  await expect(requireProviders(plan)).rejects.toMatchObject({ code: "provider-unready", exitCode: 2 });
  written("zoe.yaml", kubeconfig({ cluster: { server: "https://zoe.example.org" } }));
  expect(await unmetNeeds(plan, { bySetup: true })).toEqual(new Map());
  // What set-up brings is no need of a cohort that is only planned.
  const shared = { kind: "shared", kubeconfig: join(folder, "eve.yaml"), expose: { kind: "ingress", domain: "labs.example.org" } };
  const below = planCohort("sre", parseCohort({ course: "x", cluster: shared, learners }, "x"));
  expect(await unmetNeeds(below, { bySetup: false })).toEqual(new Map());
});

test("the kubeconfig of the cluster below virtual ones is looked at as well, as far as Helm does not log in by it itself", async () => {
  const found = async (path: string) => {
    const cluster = { kind: "shared", kubeconfig: path, expose: { kind: "ingress", domain: "labs.example.org" } };
    const all = await sharedConditions([ClusterSpec.parse(cluster) as SharedSpec]);
    return all.filter(({ name }) => name === "kubeconfig");
  };
  expect(await found(folder)).toMatchObject([{ met: false, found: expect.stringContaining("is a folder") }]);
  expect(await found(join(folder, "nowhere"))).toMatchObject([{ met: false, found: expect.stringContaining("there is no such file") }]);
  expect(await found(written("list.yaml", "- a\n"))).toMatchObject([{ met: false, found: expect.stringContaining("is no kubeconfig") }]);
  const asAnother = written("as.yaml", kubeconfig({ user: { token: "t", as: "root" } }));
  expect(await found(asAnother)).toEqual([{ name: "kubeconfig", met: true, found: asAnother }]);
});
