import type { RawRequest } from "../raw-requests.ts";

/** A request that a policy refuses. */
export interface Attempt {
  readonly what: string;
  /** Whose refusal it is. */
  readonly policy: string;
  /** Of what is told. */
  readonly word: string;
  readonly request: RawRequest;
  /** What is answered where there is no policy, if it can't succeed. */
  readonly otherwise?: RegExp;
  /** What the API server answers by itself, before it asks a policy. */
  readonly itself?: RegExp;
}
