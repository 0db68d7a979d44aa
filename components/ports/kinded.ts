/** What the cohort file says of something, of which the ports know no more than the word for its kind: the rest is its provider's. */
export interface Kinded {
  readonly kind: string;
}
