/** What the cohort file says of something. The ports know no more of it than the word for its kind: the rest is its provider's. */
export interface Kinded {
  readonly kind: string;
}
