/** What labs of some kind cost this machine, as measured. */
export interface LabCosts {
  readonly measuredOn: string;
  readonly source: string;
  /** Of the machine on which times were measured. */
  readonly cores: number;
  /** MiB. */
  readonly memory: { readonly host: number; readonly learner: number; readonly learnerWhileUp: number; readonly reserve: number };
  /** Cores, and the share of the machine's that labs may take. */
  readonly processor: { readonly learner: number; readonly share: number };
  /** MiB. */
  readonly disk: { readonly host: number; readonly learner: number };
  readonly inotify: { readonly instances: number; readonly watches: number };
  readonly openFiles: { readonly host: number; readonly learner: number };
  readonly ports: { readonly host: number; readonly learner: number };
  /** Seconds until all evidence passes. */
  readonly ready: { readonly host: number; readonly learner: number };
  /** Seconds of a learner's steps, by the names in cli/progress/steps.ts. */
  readonly steps: Readonly<Record<string, number>>;
  /** Seconds until all is removed. */
  readonly gone: { readonly host: number; readonly learner: number };
}
