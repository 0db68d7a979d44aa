import * as k8s from "@pulumi/kubernetes";
import type * as pulumi from "@pulumi/pulumi";
import { environments } from "../../shared/names.ts";
import { inCluster, markedMetadata, type ClusterHandle } from "../ports/cluster.ts";

/** The group in a learner's client certificate; see clusters/embedded/control-plane/pki.ts. */
export const learnersGroup = "gitops-lab:learners";

/**
 * What the exercises need and no more: look at everything but secrets, ask Flux to reconcile, suspend and resume, and
 * work by hand in the three environments (the drift drill needs that). Not the credentials in flux-system.
 */
export function grantLearnerAccess(name: string, cluster: ClusterHandle, parent: pulumi.Resource, namespaces: pulumi.Resource[]): void {
  const learners = { kind: "Group", name: cluster.learnerGroup, apiGroup: "rbac.authorization.k8s.io" };
  const role = new k8s.rbac.v1.ClusterRole(
    `${name}-learner-role`,
    {
      metadata: markedMetadata(cluster, "gitops-lab-learner"),
      rules: [
        {
          apiGroups: ["source.toolkit.fluxcd.io", "kustomize.toolkit.fluxcd.io", "image.toolkit.fluxcd.io"],
          resources: ["*"],
          verbs: ["get", "list", "watch", "patch"],
        },
        { apiGroups: [""], resources: ["nodes", "namespaces"], verbs: ["get", "list", "watch"] },
        { apiGroups: ["apiextensions.k8s.io"], resources: ["customresourcedefinitions"], verbs: ["get", "list", "watch"] },
      ],
    },
    inCluster(cluster, parent),
  );
  const bind = (binding: string, clusterRole: pulumi.Input<string>) =>
    new k8s.rbac.v1.ClusterRoleBinding(
      `${name}-${binding}`,
      {
        metadata: markedMetadata(cluster, `gitops-lab-${binding}`),
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: clusterRole },
        subjects: [learners],
      },
      inCluster(cluster, parent),
    );
  bind("learner", role.metadata.name);
  bind("learner-view", "view");
  for (const environment of environments) {
    new k8s.rbac.v1.RoleBinding(
      `${name}-learner-edit-${environment}`,
      {
        metadata: { name: "gitops-lab-learner-edit", namespace: environment },
        roleRef: { apiGroup: "rbac.authorization.k8s.io", kind: "ClusterRole", name: "edit" },
        subjects: [learners],
      },
      inCluster(cluster, parent, namespaces),
    );
  }
}
