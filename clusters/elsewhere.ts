import type { Place, Pods } from "./provider.ts";

const place: Place = { onThisMachine: false, reach: "none", ports: 0, holdsPortsAsleep: false };

/** What all clusters have in common whose nodes are not on this machine. */
export const elsewhere = { place, pods: (): Pods => "real" };
