import type { CheckReport, CheckResult } from "./types.ts";

/** `error` also where nothing was checked: no evidence is no proof. A failure stands, whatever else could not be seen. */
export function verdict(reports: readonly CheckReport[]): CheckResult["status"] {
  const statuses = reports.map(({ result }) => result.status);
  if (statuses.includes("fail")) return "fail";
  return statuses.length === 0 || statuses.includes("error") ? "error" : "pass";
}
