/** The chart that the values in clusters/vcluster/component.ts are written for; tools/go/vcluster has it. */
export const vclusterVersion = "0.30.0";
