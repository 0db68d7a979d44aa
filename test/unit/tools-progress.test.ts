import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { formatStep, progressLines } from "../../tools/progress.ts";

const step = { index: 3, total: 17, what: "kube-apiserver 1.36.2", activity: "building from source" };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

function output(isTTY: boolean) {
  const written: string[] = [];
  return { written, isTTY, write: (text: string | Uint8Array) => written.push(String(text)) > 0 };
}

test.each([
  [0, "[3/17] kube-apiserver 1.36.2: building from source"],
  [59_999, "[3/17] kube-apiserver 1.36.2: building from source, 59s"],
  [70_000, "[3/17] kube-apiserver 1.36.2: building from source, 1m 10s"],
])("after %i ms", (elapsed, line) => {
  expect(formatStep(step, elapsed)).toBe(line);
});

test("a log gets a line at once and one every 15 seconds", () => {
  const log = output(false);
  const lines = progressLines(log);
  lines.show(step);
  vi.advanceTimersByTime(30_000);
  lines.close();
  vi.advanceTimersByTime(30_000);
  expect(log.written).toEqual([formatStep(step, 0), formatStep(step, 15_000), formatStep(step, 30_000)].map((line) => `${line}\n`));
});

test("a terminal gets one line, written anew every second", () => {
  const terminal = output(true);
  const lines = progressLines(terminal);
  lines.show(step);
  vi.advanceTimersByTime(1000);
  lines.close();
  expect(terminal.written).toEqual([`\r\u001b[2K${formatStep(step, 0)}`, `\r\u001b[2K${formatStep(step, 1000)}`, "\n"]);
});

test("the time of a tool goes on through its activities and starts anew with the next tool", () => {
  const log = output(false);
  const lines = progressLines(log);
  lines.show({ ...step, activity: "downloading" });
  vi.advanceTimersByTime(5000);
  lines.show(step);
  lines.show({ ...step, index: 4 });
  vi.advanceTimersByTime(14_999);
  lines.close();
  expect(log.written.slice(1)).toEqual([`${formatStep(step, 5000)}\n`, `${formatStep({ ...step, index: 4 }, 0)}\n`]);
  expect(vi.getTimerCount()).toBe(0);
});
