import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "../../shared/kube-api.ts";
import type { CohortPaths } from "../../shared/paths.ts";
import { LabHostNode } from "./node.ts";
import type { Supervisor } from "../processes/supervisor.ts";

const answerTimeoutMs = 10_000;

/** Keeps a lab host's node in the cluster of every learner whose API server is to run: none while a learner is paused. */
export function keepLabHostNodes(paths: CohortPaths, supervisor: Supervisor): void {
  const nodes = new Map<string, LabHostNode>();
  supervisor.onChange((owner) => {
    const apiServer = supervisor.statusOf(`${owner}/kube-apiserver`)?.state;
    const kubeconfig = join(paths.learner(owner).kubeconfigs, "lab-host.yaml");
    const present = nodes.get(owner);
    if (apiServer === undefined || apiServer === "paused") {
      present?.stop();
      nodes.delete(owner);
    } else if (present !== undefined) present.refresh();
    // A lab from before there was such a node has no credential for it.
    else if (existsSync(kubeconfig)) {
      const node = new LabHostNode(connect(readFileSync(kubeconfig, "utf8"), undefined, answerTimeoutMs), owner, supervisor);
      nodes.set(owner, node);
      void node.run();
    }
  });
}
