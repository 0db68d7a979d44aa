/** The cohort of a command that names none. */
export const defaultCohort = "demo";

/** The argument that names the cohort in a command; empty for the one that the command takes anyway. */
export const cohortOption = (cohort: string): string => (cohort === defaultCohort ? "" : ` --cohort ${cohort}`);
