import { chmod, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { clusterReady } from "../../host/drivers/cluster-ready.ts";
import { learnerToken } from "../../host/drivers/learner-token.ts";
import { clusterClient } from "../../host/kubernetes/client.ts";
import { activeContext, connect } from "../../shared/kube-api.ts";
import { kubeconfigFor, tokenEnd } from "../../shared/kubeconfig.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { startControlPlane, type TestControlPlane } from "../support/control-plane.ts";
import { previewCohort } from "../support/mocked-cohort.ts";

let plane: TestControlPlane;
let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cluster-access-"));
  plane = await startControlPlane(["etcd", "kube-apiserver", "kube-controller-manager"]);
}, 180_000);
afterAll(async () => {
  await plane.remove();
  await rm(folder, { recursive: true, force: true });
});

describe("a learner's token", () => {
  const input = (until: Date) => ({
    learner: "ada",
    clusterId: "x",
    kubeconfig: plane.kubeconfig("admin"),
    namespace: "gitops-lab",
    until: until.toISOString(),
  });

  test("is of the learner, ends with the lab, and gives no right by itself", async () => {
    const until = new Date(Date.now() + 3_600_000);
    const { output } = await learnerToken.ensure(input(until));
    expect(Math.abs(tokenEnd(output.learnerKubeconfig)!.getTime() - until.getTime())).toBeLessThan(30_000);
    expect(await learnerToken.read("ada/token", output)).toEqual(output);
    await expect(connect(output.learnerKubeconfig).send({ method: "GET", path: "/api/v1/secrets" })).rejects.toThrow(
      'User "system:serviceaccount:gitops-lab:ada" cannot list resource "secrets"',
    );
  });

  test("that has ended is gone, so that the next run makes another", async () => {
    const ended = { alg: "none" };
    const part = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");
    const learnerKubeconfig = kubeconfigFor("ada", { server: plane.server }, { token: `${part(ended)}.${part({ exp: 1 })}.x` });
    expect(await learnerToken.read("ada/token", { learner: "ada", learnerKubeconfig })).toBeUndefined();
  });
});

describe("a cluster with a credential program", () => {
  /** A kubeconfig whose user logs in by a script that notes its calls. */
  async function withProgram(script: string): Promise<{ kubeconfig: string; logins: () => Promise<number> }> {
    const program = join(folder, `login-${Math.random().toString(36).slice(2)}`);
    await writeFile(program, `#!/bin/sh\necho login >> "${program}.log"\n${script}\n`);
    await chmod(program, 0o755);
    const { cluster } = activeContext(plane.kubeconfig("admin"));
    const exec = {
      apiVersion: "client.authentication.k8s.io/v1beta1",
      command: program,
      args: [],
      installHint: "Log in with `cloud auth login`.",
    };
    return {
      kubeconfig: kubeconfigFor("x", cluster, { exec }),
      logins: async () => (await readFile(`${program}.log`, "utf8")).trim().split("\n").length,
    };
  }
  const credential = (status: object) =>
    `cat <<'END'\n${JSON.stringify({ apiVersion: "client.authentication.k8s.io/v1beta1", kind: "ExecCredential", status })}\nEND`;
  const adminToken = async () => {
    const admin = clusterClient(plane.kubeconfig("admin"));
    await admin.applyServiceAccount("gitops-lab", "admin");
    await plane.kubectl(
      ["apply", "-f", "-"],
      JSON.stringify({
        apiVersion: "rbac.authorization.k8s.io/v1",
        kind: "ClusterRoleBinding",
        metadata: { name: "lab-admin" },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "cluster-admin" },
        subjects: [{ kind: "ServiceAccount", namespace: "gitops-lab", name: "admin" }],
      }),
    );
    return (await admin.issueToken("gitops-lab", "admin", 600)).token;
  };
  const input = (kubeconfig: string) => ({ learner: "ada", place: "cluster ada-1", kubeconfig, timeoutSeconds: 0 });

  test("is reached by its token, and logged in to once for as long as it lasts", async () => {
    const { kubeconfig, logins } = await withProgram(credential({ token: await adminToken() }));
    const uid = await plane.kubectl(["get", "namespace", "kube-system", "-o", "jsonpath={.metadata.uid}"]);
    expect((await clusterReady.ensure(input(kubeconfig))).output.clusterId).toBe(uid);
    expect(await logins()).toBe(1);
  });

  test("is reached by a client certificate as well", async () => {
    const { user } = activeContext(plane.kubeconfig("admin"));
    const pem = (field: string) => Buffer.from(String(user[field]), "base64").toString();
    const { kubeconfig } = await withProgram(
      credential({ clientCertificateData: pem("client-certificate-data"), clientKeyData: pem("client-key-data") }),
    );
    expect(await clusterClient(kubeconfig).lookReady()).toEqual({ done: true, value: undefined });
  });

  test("is logged in to anew when a token ends or is withdrawn in the middle of a run", async () => {
    const [good, marker] = [await adminToken(), join(folder, "second")];
    const answer = (token: string, end: object) => credential({ token, ...end });
    const { kubeconfig, logins } = await withProgram(
      `if [ -e "${marker}" ]; then\n${answer(good, { expirationTimestamp: new Date(Date.now() + 600_000).toISOString() })}\nelse\ntouch "${marker}"\n${answer("withdrawn", {})}\nfi`,
    );
    expect(await clusterClient(kubeconfig).lookReady()).toEqual({ done: true, value: undefined });
    expect(await logins()).toBe(2);
  });

  test("whose login has run out says so at once: whose cluster, what the program said, what helps", async () => {
    const { kubeconfig } = await withProgram(
      'echo "ERROR: (gcloud.config.config-helper) There was a problem refreshing your current auth tokens: Reauthentication failed." >&2; exit 1',
    );
    const started = clusterReady.ensure({ ...input(kubeconfig), timeoutSeconds: 300 });
    await expect(started).rejects.toMatchObject({
      code: "credential-refused",
      message: expect.stringMatching(
        /^Learner ada: could not log in to cluster ada-1\. .*Reauthentication failed.*Log in with `cloud auth login`\..*other learners are not affected/,
      ),
    });
  });

  test("whose program is not installed says how to install it", async () => {
    const kubeconfig = kubeconfigFor(
      "x",
      { server: plane.server },
      { exec: { apiVersion: "client.authentication.k8s.io/v1beta1", command: "no-such-program", installHint: "Install it with `apt`." } },
    );
    await expect(clusterReady.ensure(input(kubeconfig))).rejects.toMatchObject({
      code: "credential-program-missing",
      message: expect.stringContaining("Install it with `apt`."),
    });
  });

  test("that cannot be reached is waited for, and is not gone", async () => {
    const kubeconfig = kubeconfigFor("x", { server: "https://127.0.0.1:1" }, { token: "t" });
    await expect(clusterReady.ensure(input(kubeconfig))).rejects.toMatchObject({
      code: "timeout",
      message: expect.stringContaining("allowedNetworks"),
    });
    const output = { learner: "ada", clusterId: "x" };
    expect(await clusterReady.read("x", output)).toEqual(output);
  });
});

describe("a learner's namespace on a shared cluster, on a real API server", () => {
  let namespace: string;

  beforeAll(async () => {
    const cluster = {
      kind: "shared",
      kubeconfig: "/nowhere",
      expose: { kind: "ingress", domain: "labs.example.org" },
      quota: { pods: 15 },
    };
    const spec = parseCohort({ course: "x", cluster, learners: [{ id: "ada", name: "Ada", email: "ada@example.org" }] }, "x");
    const { resources } = await previewCohort(planCohort("sre", spec));
    const objects = resources
      .filter(({ name, type }) => name.startsWith("ada-shared-") && type.startsWith("kubernetes:"))
      .map(({ inputs }) => inputs);
    namespace = (objects.find(({ kind }) => kind === "Namespace")!["metadata"] as { name: string }).name;
    // One by one, the namespace first; the API server checks every field.
    for (const object of objects.sort((a) => (a["kind"] === "Namespace" ? -1 : 1)))
      await plane.kubectl(["apply", "--server-side", "--validate=strict", "-f", "-"], JSON.stringify(object));
    await plane.kubectl(["wait", "--for=jsonpath={.status.hard.pods}=15", "resourcequota/lab", "-n", namespace, "--timeout=30s"]);
    await plane.kubectl(["wait", "--for=create", "serviceaccount/default", "-n", namespace, "--timeout=30s"]);
  }, 90_000);

  const tryPod = (name: string, spec: object) =>
    plane
      .kubectl(
        ["apply", "-f", "-"],
        JSON.stringify({
          apiVersion: "v1",
          kind: "Pod",
          metadata: { name, namespace },
          spec: { containers: [{ name: "x", image: "x", ...spec }] },
        }),
      )
      .then(
        () => "created",
        (error: { stderr?: string }) => error.stderr ?? "",
      );

  test.each<[string, object, RegExp]>([
    ["a further capability", { securityContext: { capabilities: { add: ["NET_ADMIN"] } } }, /violates PodSecurity "baseline/],
    ["a port of the node", { ports: [{ containerPort: 80, hostPort: 80 }] }, /violates PodSecurity "baseline/],
    ["more memory than a container may have", { resources: { limits: { memory: "3Gi" } } }, /maximum memory usage per Container is 2Gi/],
    ["more processors than the learner has", { resources: { requests: { cpu: "1900m" }, limits: { cpu: "2" } } }, /created/],
    ["still more", { resources: { requests: { cpu: "200m" } } }, /exceeded quota: lab, requested: requests\.cpu=200m/],
  ])("refuses %s", async (name, spec, answer) => {
    expect(await tryPod(name.replace(/\W+/g, "-"), spec)).toMatch(answer);
  });

  test("gives limits to what names none", async () => {
    await plane.kubectl(["delete", "pod", "more-processors-than-the-learner-has", "-n", namespace, "--grace-period=0", "--force"]);
    expect(await tryPod("plain", {})).toBe("created");
    expect(
      await plane.kubectl(["get", "pod", "plain", "-n", namespace, "-o", "jsonpath={.spec.containers[0].resources.limits.memory}"]),
    ).toBe("256Mi");
  });

  test("has no load balancer where an ingress leads in", async () => {
    const service = {
      apiVersion: "v1",
      kind: "Service",
      metadata: { name: "open", namespace },
      spec: { type: "LoadBalancer", ports: [{ port: 80 }] },
    };
    await expect(plane.kubectl(["apply", "-f", "-"], JSON.stringify(service))).rejects.toMatchObject({
      stderr: expect.stringContaining("exceeded quota"),
    });
  });
});
