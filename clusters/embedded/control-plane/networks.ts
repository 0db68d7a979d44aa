/** Cluster addresses of services; the first one is the API server's. */
export const serviceNetwork = "10.96.0.0/16";

/*
 * A real node's own networks. Each node has a network namespace to itself, so all may have the same.
 */
export const nodeAddress = "10.245.0.1";
export const podNetwork = "10.244.0.0/24";
