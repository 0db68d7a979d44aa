import { createPrivateKey } from "node:crypto";
import { appendFile, mkdtemp, readdir, readFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { unpackArchive } from "../../cli/course/archive.ts";
import { hash, issueEntry } from "../../dashboard/access.ts";
import { Sessions } from "../../dashboard/sessions.ts";
import { DaemonConfig } from "../../host/processes/config.ts";
import { webPlaces } from "../../host/processes/web-places.ts";
import { addressesOf, type CohortOutputs } from "../../shared/outputs.ts";
import { cohortPaths } from "../../shared/paths.ts";
import { toolPath } from "../../tools/locate.ts";
import { TestCohort } from "../support/lab-cli.ts";
import { succeeded } from "../support/succeeded.ts";

/*
 * What somebody needs who looks after labs: logs, metrics and a bundle for support, of a real cohort of two learners in which
 * something was pushed, refused and promoted.
 */
let home: string;
let cohort: TestCohort;
let outputs: CohortOutputs;

const minutes = 60_000;
const paths = () => cohortPaths(cohort.name, cohort.home);
const ofCohort = () => ["--cohort", cohort.name];

/** A record as PowerShell's `>` writes it. */
const powershell = (url: string) =>
  `set -e; cd "$(mktemp -d)"; git clone -q ${url} r; cd r; printf '\\377\\376' > promotion/staging.yaml; ` +
  `printf 'tag: a\\n' | iconv -f UTF-8 -t UTF-16LE >> promotion/staging.yaml; git commit -qam powershell; git push`;

beforeAll(async () => {
  home = await mkdtemp(join(tmpdir(), "gl-ops-"));
  cohort = new TestCohort(`e2e-ops-${process.pid}`, join(home, "lab"), ["ada", "bob"]);
  await cohort.writeFile();
  // What a busy machine did not show in time has no say here.
  const { exitCode, stderr } = await cohort.lab("up", cohort.name);
  expect([0, 3], stderr).toContain(exitCode);
  outputs = await cohort.outputs();
}, 8 * minutes);

afterAll(async () => {
  await cohort.takeAway(home);
}, 3 * minutes);

test("a record that is UTF-16 is refused with its cause", { timeout: 2 * minutes }, async () => {
  const { exitCode, stderr } = await cohort.lab(
    "shell",
    "ada",
    ...ofCohort(),
    "--",
    "sh",
    "-c",
    powershell(addressesOf(outputs.learners["ada"]!).gitUrl),
  );
  expect([exitCode, stderr]).toEqual([
    1,
    expect.stringMatching(/refused: promotion\/staging\.yaml is UTF-16, which is what PowerShell's `>` writes/),
  ]);
});

test("an exercise is solved, so that something was built and promoted", { timeout: 5 * minutes }, async () => {
  succeeded(await cohort.lab("exercise", "solve", "git-only-promotion", "ada", ...ofCohort()));
});

test("pods of a simulated node that was lost are ready again", { timeout: 2 * minutes }, async () => {
  const file = join(paths().learner("ada").cluster, "kubeconfig", "admin.yaml");
  const kubectl = async (...args: string[]) =>
    succeeded(await cohort.run(await toolPath("kubectl"), ["--kubeconfig", file, "--namespace", "production", ...args])).stdout;
  const deployed = await kubectl("get", "pods", "--output", "name");
  const pod = deployed.trim().split("\n")[0]!;
  // What Kubernetes does with each pod of a node that it has not heard of for a minute.
  const lost = { status: { conditions: [{ type: "Ready", status: "False", lastTransitionTime: "2026-01-01T00:00:00Z" }] } };
  const seen = await kubectl(
    "patch",
    pod,
    "--subresource=status",
    "--patch",
    JSON.stringify(lost),
    "--output",
    "jsonpath={.status.conditions}",
  );
  expect(seen).toContain("2026-01-01T00:00:00Z");
  await kubectl("wait", pod, "--for=condition=Ready", "--timeout=60s");
  expect(await kubectl("get", pod, "--output", "jsonpath={.status.conditions}")).not.toContain("2026-01-01T00:00:00Z");
});

describe("metrics", () => {
  const metrics = async () => {
    const { metricsPort } = DaemonConfig.parse(JSON.parse(await readFile(join(paths().daemon, "config.json"), "utf8")));
    const answer = await fetch(`http://127.0.0.1:${metricsPort}/metrics`);
    return answer.text();
  };

  test("tell of processes, clusters, pushes, builds and promotions", { timeout: minutes }, async () => {
    const text = await metrics();
    for (const [name, labels] of [
      ["gitops_lab_process_up", 'process="kube-apiserver",owner="ada"'],
      ["gitops_lab_process_up", 'process="web",owner="cohort"'],
      ["gitops_lab_web_up", ""],
      ["gitops_lab_cluster_answers", 'learner="bob"'],
      ["gitops_lab_flux_ready", 'learner="bob",kustomization="apps-production"'],
      ["gitops_lab_pushes_total", 'learner="ada",by="learner",result="refused"'],
    ])
      expect(text).toContain(`${name}${labels === "" ? "" : `{${labels}}`} 1\n`);
    for (const pattern of [
      /^gitops_lab_process_memory_bytes\{process="kube-apiserver",owner="ada"\} [1-9]\d{6,}$/m,
      /^gitops_lab_process_cpu_seconds_total\{process="daemon",owner="cohort"\} [\d.]+$/m,
      /^gitops_lab_pushes_total\{learner="ada",by="learner",result="accepted"\} [1-9]/m,
      /^gitops_lab_builds_total\{learner="ada",result="built"\} [1-9]/m,
      /^gitops_lab_promotions_total\{learner="ada",environment="production",result="carried-out"\} [1-9]/m,
      /^gitops_lab_promotion_seconds_count\{environment="production"\} [1-9]/m,
    ])
      expect(text).toMatch(pattern);
  });
});

describe("logs", () => {
  test("of a learner are the own processes', and of the pipeline what it did for this learner", { timeout: minutes }, async () => {
    const { stdout } = succeeded(await cohort.lab("logs", "ada", ...ofCohort(), "--lines", "500"));
    for (const part of ["kube-apiserver", "source-controller", "pipeline"]) expect(stdout).toContain(`${part} | `);
    const pipeline = succeeded(await cohort.lab("logs", "ada", "pipeline", ...ofCohort(), "--json", "--lines", "500")).stdout;
    const entries = pipeline.split("\n").map((line) => (JSON.parse(line) as { entry: { learner: string; message: string } }).entry);
    expect(new Set(entries.map(({ learner }) => learner))).toEqual(new Set(["ada"]));
    expect(entries.map(({ message }) => message)).toEqual(
      expect.arrayContaining(["push refused", "push accepted", "built", "carried-out"]),
    );
    const others = succeeded(await cohort.lab("logs", "bob", "pipeline", ...ofCohort(), "--lines", "500")).stdout;
    expect(others).not.toContain('"ada"');
  });

  test("go on with what is added", { timeout: minutes }, async () => {
    const following = cohort.startLab("logs", "bob", "pipeline", ...ofCohort(), "--follow", "--lines", "1");
    let seen = "";
    following.stdout!.on("data", (text: Buffer) => (seen += text.toString()));
    const { log } = webPlaces(paths());
    await expect.poll(() => seen, { timeout: 20_000 }).toMatch(/pipeline \|/);
    await appendFile(
      log,
      `${JSON.stringify({ learner: "ada", message: "not his" })}\n${JSON.stringify({ learner: "bob", message: "his" })}\n`,
    );
    await expect.poll(() => seen, { timeout: 20_000 }).toMatch(/"his"/);
    process.kill(-following.pid!, "SIGINT");
    await following;
    expect(seen).not.toContain("not his");
  });

  test.each<[string, string[], RegExp]>([
    ["of a learner who is not there", ["logs", "eve"], /has no learner "eve" on this machine\. Its learners: ada, bob/],
    [
      "of a part that is not there",
      ["logs", "ada", "kublet"],
      /There is no log "kublet" of ada\. Its parts: .*kube-apiserver.*; together: .*pods/,
    ],
  ])("%s are refused in a sentence", { timeout: minutes }, async (_, args, says) => {
    const { exitCode, stderr } = await cohort.lab(...args, ...ofCohort());
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(says)]);
  });

  test("of pods that are simulated are none, and it is said why", { timeout: minutes }, async () => {
    const { exitCode, stderr } = await cohort.lab("logs", "ada", "pods", ...ofCohort());
    expect([exitCode, stderr]).toEqual([0, expect.stringMatching(/pods of ada are simulated/)]);
  });
});

/** Every secret of the live lab, from where each is known to be: found in another way than the bundle's own search. */
async function everySecret(): Promise<Map<string, string>> {
  const found = new Map<string, string>();
  const add = (what: string, secret: string) => void (secret.length >= 8 && found.set(`${what} ${found.size}`, secret));
  const addKey = (what: string, pem: string) => {
    // Whatever its format, by its own numbers too.
    for (const line of pem
      .split("\n")
      .filter((one) => /^[A-Za-z0-9+/=]{40,}$/.test(one))
      .slice(1))
      add(what, line);
    const { d } = createPrivateKey(pem).export({ format: "jwk" });
    if (d !== undefined) add(`${what}, its number`, d);
  };
  add("passphrase", (await readFile(join(cohort.home, "passphrase"), "utf8")).trim());
  addKey("evidence key", await readFile(join(cohort.home, "evidence-key.pem"), "utf8"));
  const { registryEventsToken } = DaemonConfig.parse(JSON.parse(await readFile(join(paths().daemon, "config.json"), "utf8")));
  add("token of the registry's events", registryEventsToken);
  for (const name of await readdir(paths().registry)) {
    if (!/key|jwk/i.test(name) || /public|jwks/.test(name)) continue;
    for (const [, value] of (await readFile(join(paths().registry, name), "utf8")).matchAll(/"[dpq]":\s*"([^"]+)"/g))
      add(`registry ${name}`, value!);
  }
  for (const { id, git, registry, cluster } of Object.values(outputs.learners)) {
    add(`${id}'s Git password`, git.password);
    add(`${id}'s registry password`, registry.password);
    for (const kubeconfig of [cluster.kubeconfig, cluster.adminKubeconfig])
      for (const [, key] of kubeconfig.matchAll(/client-key-data: *(\S+)/g)) {
        add(`${id}'s kubeconfig`, key!);
        addKey(`${id}'s kubeconfig`, Buffer.from(key!, "base64").toString());
      }
    const own = paths().learner(id);
    for (const name of await readdir(own.pki))
      if (/\.key$/.test(name)) {
        const text = await readFile(join(own.pki, name), "utf8");
        if (/PRIVATE KEY/.test(text)) addKey(`${id}'s ${name}`, text);
      }
    for (const name of await readdir(own.access))
      for (const [, secret] of (await readFile(join(own.access, name), "utf8")).matchAll(/"([A-Za-z0-9_-]{32,})"/g))
        add(`${id}'s ${name}`, secret!);
  }
  return found;
}

describe("a support bundle", () => {
  test("has what helps, and no secret of the lab, though its logs do", { timeout: 4 * minutes }, async () => {
    // The key for evidence, and a session of the dashboard, come with their first use.
    expect([0, 1, 3]).toContain((await cohort.lab("evidence", "ada", ...ofCohort(), "--out", join(home, "evidence"))).exitCode);
    vi.stubEnv("GITOPS_LAB_HOME", cohort.home);
    const sessions = await Sessions.ofCohort(cohort.name);
    const cookie = await sessions.open({ role: "instructor" });
    const entry = await issueEntry(cohort.name, { role: "learner", learner: "ada" });
    vi.unstubAllEnvs();
    const secrets = await everySecret();
    for (const [what, token] of [
      ["session", cookie],
      ["entry", entry],
    ] as const)
      secrets.set(`hash of a ${what}`, hash(token));
    expect(secrets.size).toBeGreaterThan(40);
    // What a program under strain might say.
    const { ada } = outputs.learners as { ada: CohortOutputs["learners"][string] };
    const leaked = [...secrets.values(), ...[...secrets.values()].map((secret) => Buffer.from(secret).toString("base64"))];
    await appendFile(webPlaces(paths()).log, `${JSON.stringify({ learner: "ada", message: `leak ${leaked.join(" ")}` })}\n`);
    await appendFile(
      join(paths().learner("ada").logs, "source-controller.log"),
      `clone http://ada:${ada.git.password}@127.0.0.1/x of Learner ada <ada@example.org>\n`,
    );

    const file = join(home, "support.tar.gz");
    const { stdout } = succeeded(await cohort.lab("support-bundle", cohort.name, "--out", file, "--json"));
    const content = await readFile(file);
    const files = new Map(
      [...(await unpackArchive(content, file))].map(([name, bytes]) => [name.slice(name.indexOf("/") + 1), bytes.toString("utf8")]),
    );
    expect([...files.keys()]).toEqual(expect.arrayContaining((JSON.parse(stdout) as { files: string[] }).files));
    for (const name of [
      "versions.json",
      "doctor.json",
      "status.json",
      "metrics.txt",
      "cohort.json",
      "inventory.json",
      "state.json",
      "logs/web.log",
      "logs/registry.log",
      "logs/ada/kube-apiserver.log",
      "logs/bob/source-controller.log",
    ])
      expect(files.get(name), name).toMatch(/\S/);
    expect(JSON.parse(files.get("state.json")!)).toMatchObject({
      resources: expect.arrayContaining([expect.objectContaining({ type: "pulumi:pulumi:Stack" })]),
    });
    expect(JSON.parse(files.get("status.json")!)).toMatchObject({ daemon: "running" });
    expect(files.get("logs/web.log")).toContain("leak [redacted]");
    expect(files.get("logs/ada/source-controller.log")).toMatch(/clone http:\/\/.*@127\.0\.0\.1\/x of \[person\] <\[person\]>/);

    const whole = gunzipSync(content).toString("latin1");
    expect([...secrets].filter(([, secret]) => whole.includes(secret)).map(([what]) => what)).toEqual([]);
    expect(leaked.filter((secret) => whole.includes(secret))).toEqual([]);
    expect(whole).not.toMatch(/PRIVATE KEY-----|ada@example\.org|Learner bob/);
  });

  test("is written of a cohort that is stopped, and of one that was never up", { timeout: 3 * minutes }, async () => {
    succeeded(await cohort.lab("stop", cohort.name));
    const stopped = join(home, "stopped.tar.gz");
    succeeded(await cohort.lab("support-bundle", cohort.name, "--out", stopped));
    const { exitCode, stderr } = await cohort.lab("support-bundle", cohort.name, "--out", stopped);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/exists, and a bundle is never written over anything/)]);
    expect((await cohort.lab("logs", "ada", "etcd", ...ofCohort())).exitCode).not.toBe(70);
  });
});
