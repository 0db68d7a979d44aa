/**
 * The imperative half of a resource that the lab host owns: no Pulumi types, plain JSON in and out. Pulumi reaches a
 * driver by name through `components/managed-resource.ts`.
 *
 * A driver must still work for a learner that is no longer in the cohort file, so `remove` and `read` may use nothing
 * but what an earlier `ensure` returned.
 */
export interface Driver<Input extends object, Output extends object, Name extends string = string> {
  /** States know it by this name: never to be changed. */
  readonly name: Name;
  /** Makes it so, or finds that it is so already. Safe to repeat, also after being killed half-way. */
  ensure(input: Input): Promise<{ readonly id: string; readonly output: Output }>;
  /** The live state; undefined when the thing is gone and must be made again. */
  read(id: string, output: Output): Promise<Output | undefined>;
  /** The inputs whose change means another thing, not a changed one. Other changes call `ensure` again. */
  readonly replaceOn: readonly (keyof Input & string)[];
  /** Inputs that may be left out: that one is there no more is a change, too. */
  readonly optional?: readonly (keyof Input & string)[];
  /** Inputs that matter only at creation: their change is no change. */
  readonly creationOnly?: readonly (keyof Input & string)[];
  /** Ends and deletes it. What is already gone is a success. */
  remove(id: string, output: Output): Promise<void>;
}

/** Drivers by the names that states have. Each is loaded on demand: a plugin process needs few of them at once. */
export type Drivers = Readonly<Record<string, () => Promise<{ readonly name: string }>>>;

/** Cohort and learner in a resource id `<cohort>/<learner>/<name>`: all that is known of it when it is removed. */
export function partsOf(id: string): [cohort: string, learner: string] {
  const [cohort, learner, name] = id.split("/");
  if (!cohort || !learner || !name) throw new Error(`${id} is no id of the form <cohort>/<learner>/<name>`);
  return [cohort, learner];
}
