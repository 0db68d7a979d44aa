import { expect, test } from "vitest";
import { saidLast, stepFailure } from "../../clusters/step-failure.ts";

const noise = /^(level=|Command Output: \{)/;

test.each([
  ["the last line that begins with Error:", "ERROR: first\nError: second.\nUsage: x", "second"],
  ["the last line where none does", "one\n\n  two.  \n", "two"],
  ["no noise", "two\nlevel=warn x\nCommand Output: {}", "two"],
  ["nothing of nothing", "", ""],
])("what a program said last is %s", (_, output, said) => expect(saidLast(output, noise)).toBe(said));

test("what a program said is cut where it is too long to be read", () => {
  // The stop of the sentence that it is put into is the third.
  expect(saidLast("x".repeat(500), noise)).toBe(`${"x".repeat(397)}..`);
  expect(saidLast("x".repeat(400), noise)).toBe("x".repeat(400));
});

test("a failure says whose it is, at which step, why and what helps", () => {
  const cause = new Error("x");
  const failure = stepFailure({ learner: "ada", step: "make it" }, { code: "c", what: "no luck", remedy: "Try `y`", cause });
  expect(failure).toMatchObject({
    code: "c",
    cause,
    message: "Learner ada: could not make it: no luck. Try `y`, then run `./lab up` again; other learners are not affected.",
  });
});
