/** The cohort of a command that names none. */
export const defaultCohort = "demo";

/** What a command for the cohort has behind it: nothing for the one that it would take anyway. */
export const cohortOption = (cohort: string): string => (cohort === defaultCohort ? "" : ` --cohort ${cohort}`);
