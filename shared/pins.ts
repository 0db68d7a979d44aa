/** The chart that the values in components/cluster/shared.ts are written for; tools/go/vcluster has it. */
export const vclusterVersion = "0.30.0";
