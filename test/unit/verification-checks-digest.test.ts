import { describe, expect, test } from "vitest";
import { deployedDigest } from "../../verification/checks/deployed-digest.ts";
import { ask, type Case, expectError, expectFailure } from "../support/ask-check.ts";
import { digestOf, ownedBy, type LabState, pod, repository, tagOf, unreachable } from "../support/lab-state.ts";

describe("deployed-digest", () => {
  const deployment = (lab: LabState) => lab.find("Deployment", "backend", "production");
  const status = (lab: LabState) => lab.find("Pod", "pod-1", "production")["status"];
  const addPod = (lab: LabState, name: string, imageID: string, owner = "backend-new") => {
    const added = ownedBy(lab.find("ReplicaSet", owner, "production"), pod("production", name, imageID));
    lab.objects.push(added);
    return added;
  };
  /** Every production pod, and its Deployment, runs another image. */
  const runEverywhere = (lab: LabState, imageID: string, environment = "production") => {
    for (const name of ["pod-1", "pod-2"]) lab.find("Pod", name, environment)["status"].containerStatuses[0].imageID = imageID;
  };
  /** A pod of production that does not become ready, as the API shows it. */
  const notReady = (lab: LabState, containerStatus: object) => {
    deployment(lab)["status"].availableReplicas = 1;
    status(lab).conditions = [{ type: "Ready", status: "False" }];
    Object.assign(status(lab).containerStatuses[0], { ready: false }, containerStatus);
  };

  test("names the digest and every environment", async () => {
    const result = await ask(deployedDigest);
    expect(result).toMatchObject({ observed: `production and staging run ${digestOf("b")}; develop runs ${digestOf("b")}` });
  });

  test("does not need develop to run the same, or at all", async () => {
    const result = await ask(deployedDigest, (lab) => (lab.find("Deployment", "backend", "develop")["spec"].replicas = 0));
    expect(result).toMatchObject({
      status: "pass",
      observed: expect.stringContaining("develop runs nothing provable: Deployment develop/backend is scaled to 0"),
    });
  });

  test.each<[string, (lab: LabState) => void]>([
    ["the cohort says so", (lab) => (lab.learner.cluster.nodes = "simulated")],
    ["a pod's node has the label type=kwok", (lab) => (lab.find("Node", "node-1", "")["metadata"].labels = { type: "kwok" })],
    [
      "a pod's node has kwok's annotation",
      (lab) => (lab.find("Node", "node-1", "")["metadata"].annotations = { "kwok.x-k8s.io/node": "fake" }),
    ],
  ])("is simulated when %s", async (_, bend) => {
    expect(await ask(deployedDigest, bend)).toMatchObject({ status: "pass", basis: "simulated" });
  });

  test("is live when only a node without these pods is simulated", async () => {
    const result = await ask(deployedDigest, (lab) => {
      const node = structuredClone(lab.find("Node", "node-1", ""));
      Object.assign(node["metadata"], { name: "node-2", labels: { type: "kwok" } });
      lab.objects.push(node);
    });
    expect(result).toMatchObject({ status: "pass", basis: "live" });
  });

  test("takes no notice of pods of an old ReplicaSet, of others, or going away", async () => {
    const result = await ask(deployedDigest, (lab) => {
      addPod(lab, "old", `${repository}@${digestOf("a")}`, "backend-old");
      lab.objects.push(pod("production", "stranger", `${repository}@${digestOf("a")}`));
      addPod(lab, "leaving", `${repository}@${digestOf("a")}`)["metadata"].deletionTimestamp = "2026-11-02T10:00:00Z";
    });
    expect(result).toMatchObject({ status: "pass" });
  });

  test("goes by pods and counts, not by a condition of the rollout before", async () => {
    const result = await ask(deployedDigest, (lab) => {
      const conditions = [{ type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "timed out" }];
      deployment(lab)["status"].conditions = conditions;
    });
    expect(result).toMatchObject({ status: "pass" });
  });

  test("counts a platform's digest as its index", async () => {
    const result = await ask(deployedDigest, (lab) => {
      lab.manifests.set(digestOf("b"), { digest: digestOf("b"), parts: [digestOf("c"), digestOf("d")] });
      runEverywhere(lab, `docker-pullable://${repository}@${digestOf("c")}`);
    });
    expect(result).toMatchObject({ status: "pass", observed: expect.stringContaining(`run ${digestOf("b")}`) });
  });

  test("resolves a Deployment without digest by its tag", async () => {
    const result = await ask(deployedDigest, (lab) => {
      const tag = tagOf("production", "0.2.0");
      deployment(lab)["spec"].template.spec.containers[0].image = `${repository}:${tag}`;
      lab.manifests.set(tag, { digest: digestOf("b"), parts: [digestOf("c")] });
      runEverywhere(lab, `${repository}@${digestOf("c")}`);
    });
    expect(result).toMatchObject({ status: "pass" });
  });

  test("asks the registry nothing while the digests are equal", async () => {
    expect(await ask(deployedDigest, undefined, { registry: unreachable("127.0.0.1:5000") })).toMatchObject({ status: "pass" });
  });

  test.each<Case>([
    [
      "production runs another build",
      (lab) => {
        deployment(lab)["spec"].template.spec.containers[0].image = `${repository}@${digestOf("a")}`;
        runEverywhere(lab, `${repository}@${digestOf("a")}`);
      },
      `staging runs ${digestOf("b")}.\nproduction runs ${digestOf("a")}`,
    ],
    [
      "pods run what nobody asked for",
      (lab) => runEverywhere(lab, `${repository}@${digestOf("a")}`),
      `asks for ${digestOf("b")}, but its pods run ${digestOf("a")}`,
    ],
    ["the pods disagree", (lab) => (status(lab).containerStatuses[0].imageID = `${repository}@${digestOf("a")}`), "run different images"],
    ["the Deployment is missing", (lab) => lab.remove("Deployment", "backend", "production"), "No Deployment production/backend"],
    [
      "it runs another repository",
      (lab) => (deployment(lab)["spec"].template.spec.containers[0].image = "nginx:1"),
      "runs an image of 127",
    ],
    ["staging is missing", (lab) => lab.remove("Deployment", "backend", "staging"), "Deployment staging/backend"],
    ["it is scaled to 0", (lab) => (deployment(lab)["spec"].replicas = 0), "scaled to 0"],
    ["the change is not observed", (lab) => (deployment(lab)["metadata"].generation = 2), "not rolled out yet"],
    ["a pod of the old version is left", (lab) => (deployment(lab)["status"].replicas = 3), "1 of an old one"],
    ["a pod is not of the new version", (lab) => (deployment(lab)["status"].updatedReplicas = 1), "1 of them of the new version"],
    ["a pod is not available", (lab) => (deployment(lab)["status"].availableReplicas = 1), "1 of 2 pods available"],
    ["a pod has just become unready", (lab) => (status(lab).conditions[0].status = "False"), "Deployment production/backend has"],
    [
      "neither environment runs anything",
      (lab) => ["staging", "production"].forEach((environment) => lab.remove("Deployment", "backend", environment)),
      "No Deployment staging/backend .*\nNo Deployment production/backend",
    ],
    ["its ReplicaSet is gone", (lab) => lab.remove("ReplicaSet", "backend-new", "production"), "has 2 of 2 pods available"],
    ["its pods are gone", (lab) => ["pod-1", "pod-2"].forEach((name) => lab.remove("Pod", name, "production")), "pods available"],
    [
      "a pod crashes",
      (lab) =>
        notReady(lab, {
          state: { waiting: { reason: "CrashLoopBackOff", message: "back-off 40s" } },
          lastState: { terminated: { reason: "Error", exitCode: 3 } },
        }),
      "pod-1: CrashLoopBackOff; last ended with Error, exit code 3; back-off 40s",
    ],
    [
      "the image can't be pulled",
      (lab) => notReady(lab, { imageID: "", state: { waiting: { reason: "ErrImagePull", message: "not found" } } }),
      "pod-1: ErrImagePull; not found",
    ],
    [
      "memory runs out",
      (lab) => notReady(lab, { state: { terminated: { reason: "OOMKilled", exitCode: 137 } } }),
      "pod-1: last ended with OOMKilled, exit code 137",
    ],
    ["it is not ready", (lab) => notReady(lab, {}), "pod-1: running, but its readiness probe fails"],
    [
      "it can't be scheduled",
      (lab) => {
        notReady(lab, {});
        status(lab).containerStatuses = [];
        status(lab).conditions.push({ type: "PodScheduled", status: "False", reason: "Unschedulable", message: "0/1 nodes" });
      },
      "pod-1: Unschedulable: 0/1 nodes",
    ],
  ])("fails when %s", (_, bend, says) => expectFailure(deployedDigest, bend, says));

  test("is an error when a Ready pod does not say what it runs", () =>
    expectError(
      deployedDigest,
      (lab) => (status(lab).containerStatuses[0].imageID = ""),
      /Pod production\/pod-1 is Ready but its imageID "" names no digest/,
    ));

  test("is an error when the registry is needed and away", async () => {
    const result = await ask(deployedDigest, (lab) => runEverywhere(lab, digestOf("c")), { registry: unreachable("127.0.0.1:5000") });
    expect(result).toEqual({ status: "error", reason: "fetch failed: connect ECONNREFUSED 127.0.0.1:5000" });
  });

  test("is an error on a malformed object", () =>
    expectError(deployedDigest, (lab) => delete status(lab).containerStatuses[0].name, /Pod production\/pod-1 is not in the form/));
});
