import { setTimeout as delay } from "node:timers/promises";
import { startVitest, type Vitest } from "vitest/node";
import { laterInSession } from "../../shared/proc.ts";

export interface TestRun {
  readonly vitest: Vitest;
  /** What still runs of what was started since, where Vitest did not end: `<pid> <command line>`. */
  readonly left?: readonly string[];
}

/**
 * Runs the tests of a project. Vitest waits for good for a worker whose output something holds open that a test started; what
 * is not over some time after the last test is told, and not waited for.
 *
 * @param closingMs From the last test's end.
 */
export async function runTests(
  root: string,
  filters: readonly string[],
  env: Readonly<Record<string, string>>,
  closingMs = 30_000,
): Promise<TestRun> {
  const overdue = Promise.withResolvers<TestRun>();
  let begun: Vitest;
  const watch = {
    onInit: (vitest: Vitest) => void (begun = vitest),
    onTestRunEnd: () => void delay(closingMs, undefined, { ref: false }).then(tellLate),
  };
  const tellLate = () =>
    overdue.resolve({ vitest: begun, left: laterInSession().map(({ pid, command }) => `${pid} ${command.slice(0, 200)}`) });
  const options = { run: true, root, watch: false, env: { ...env }, reporters: ["default" as const, watch] };
  const whole = startVitest("test", [...filters], options).then((vitest) => ({ vitest }));
  return Promise.race([whole, overdue.promise]);
}
