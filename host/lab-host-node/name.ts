/** Name of the node that stands for the lab host, where Flux' controllers run as processes. */
export const labHostNode = "lab-host";
