/** Cohort and learner in a resource id `<cohort>/<learner>/<name>`: all that is known of it when it is removed. */
export function partsOf(id: string): [cohort: string, learner: string] {
  const [cohort, learner, name] = id.split("/");
  if (!cohort || !learner || !name) throw new Error(`${id} is no id of the form <cohort>/<learner>/<name>`);
  return [cohort, learner];
}
