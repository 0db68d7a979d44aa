/** A step of a run that an instructor waits for: a word for programs, a title for people. */
export interface StepName {
  readonly step: string;
  readonly title: string;
}
