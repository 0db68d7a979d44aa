/** Whether this run takes a cluster that does not answer for one that is gone. It is told as Pulumi's Kubernetes plugin is. */
export const isUnreachableGone = () => process.env["PULUMI_K8S_DELETE_UNREACHABLE"] === "true";
