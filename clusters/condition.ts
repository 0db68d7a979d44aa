/** One thing that a cluster provider needs of this machine or of whoever uses it. */
export interface ProviderCondition {
  readonly name: string;
  readonly met: boolean;
  /** What was found, and where it is not met what helps. */
  readonly found: string;
  /** True for what is better but not needed. */
  readonly advice?: true;
  /** True for what `./lab setup <cohort>` brings. */
  readonly bySetup?: true;
}
