import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, normalize } from "node:path";
import fc from "fast-check";
import { afterAll, beforeAll, expect, vi } from "vitest";
import { LabError } from "../../../shared/errors.ts";
import { renderReports } from "../../../verification/render.ts";
import type { CheckResult } from "../../../verification/types.ts";

/** What somebody who has more time asks for: so many inputs for each property, from another seed. */
const asked = { runs: Number(process.env["GITOPS_LAB_FUZZ_RUNS"] || 0), seed: Number(process.env["GITOPS_LAB_FUZZ_SEED"] || 0) };

/** One seed for all, so that a failure comes again; fast-check tells it with the input. */
export const seed = asked.seed || 20_261_126;

/** Of a property with all its inputs, on a machine that does much else; alone they take seconds. */
const patienceMs = 300_000 * Math.max(1, asked.runs / 10_000);

/** How many inputs a parser gets that is pure. */
export const manyRuns = 10_000;

export interface Tries<T> {
  readonly numRuns?: number;
  /** Tried besides, before the others. */
  readonly first?: readonly T[];
}

/** Tries inputs on what reads their kind. One that takes for ever fails by the time that all of them have. */
export async function forEvery<T>(
  input: fc.Arbitrary<T>,
  check: (input: T) => unknown,
  { numRuns = manyRuns, first = [] }: Tries<NoInfer<T>> = {},
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(input, async (one) => void (await check(one))),
    {
      seed,
      numRuns: (asked.runs || numRuns) + first.length,
      examples: first.map((one) => [one] as [T]),
      interruptAfterTimeLimit: patienceMs - 10_000,
      markInterruptAsFailure: true,
    },
  );
}

/** What a parser answered, or the LabError that it refused with. Anything else that it throws fails the test, with its name. */
export async function answerOf<T>(parser: string, parse: () => T | Promise<T>): Promise<T | LabError> {
  try {
    return await parse();
  } catch (error) {
    if (!(error instanceof LabError)) throw new Error(`${parser} threw ${String(error)}`, { cause: error });
    expectParagraph(parser, error.message);
    return error;
  }
}

const root = normalize(join(import.meta.dirname, "../../.."));

/** What is said to people: one line that no terminal takes for more, of a size to be read, without a stack or a path of this machine. */
export function expectParagraph(parser: string, message: string): void {
  if (/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u.test(message))
    throw new Error(`${parser} says control characters: ${JSON.stringify(message.slice(0, 400))}`);
  if (message.length > 3000) throw new Error(`${parser} says ${message.length} characters: ${JSON.stringify(message.slice(0, 200))}…`);
  if (/\n\s+at |node:internal|\[object Object\]/.test(message) || message.includes(root))
    throw new Error(`${parser} says what is inside: ${JSON.stringify(message.slice(0, 400))}`);
}

/** A result as it is shown: many lines, and nothing in one that a terminal takes for more than text. */
export function expectShown(parser: string, result: CheckResult): void {
  const shown = renderReports([{ id: "ada", name: "Ada", reports: [{ id: "x", title: "X", command: "x", observedAt: "", result }] }], {
    colour: false,
  });
  for (const line of shown.split("\n"))
    if (/[\p{Cc}\p{Cf}]/u.test(line)) throw new Error(`${parser} shows ${JSON.stringify(line.slice(0, 300))}`);
}

const globals = (): string[] =>
  [Object, Array, Function, String, Number, RegExp, Map, Promise].flatMap(({ prototype, name }) =>
    Reflect.ownKeys(prototype).map((key) => `${name}.${String(key)}`),
  );

/**
 * Runs the tests of a file in a folder of their own, which is also where temporary files and the lab's home are, and
 * afterwards finds nothing in it, no warning of node's, and JavaScript's own objects as they were.
 */
export function nothingIsMade(): void {
  vi.setConfig({ testTimeout: patienceMs });
  const before = { folder: process.cwd(), globals: globals(), tmp: process.env["TMPDIR"], home: process.env["GITOPS_LAB_HOME"] };
  let scratch = "";
  const warnings: string[] = [];
  const warned = ({ message }: Error) => void warnings.push(message);
  beforeAll(() => {
    scratch = mkdtempSync(join(tmpdir(), "gitops-lab-hostile-"));
    process.chdir(scratch);
    process.on("warning", warned);
    Object.assign(process.env, { TMPDIR: scratch, GITOPS_LAB_HOME: join(scratch, "home") });
  });
  afterAll(async () => {
    // Warnings wait until nothing else is to be done.
    await new Promise((resolve) => setImmediate(resolve));
    process.chdir(before.folder);
    for (const [name, value] of [["TMPDIR", before.tmp] as const, ["GITOPS_LAB_HOME", before.home] as const]) {
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
    const left = readdirSync(scratch, { recursive: true });
    rmSync(scratch, { recursive: true, force: true });
    expect(left).toEqual([]);
    expect(globals()).toEqual(before.globals);
    process.off("warning", warned);
    // Node prints them on standard error, where a learner's words would be as they are.
    expect(warnings).toEqual([]);
    expect(({} as Record<string, unknown>)["polluted"]).toBeUndefined();
  });
}
