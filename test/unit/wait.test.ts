import { afterEach, expect, test, vi } from "vitest";
import { waitUntil } from "../../shared/wait.ts";

afterEach(() => void vi.useRealTimers());

const waiting = { what: "nothing", timeoutSeconds: 0.2, intervalMs: 5, remedy: "" };

test.each([
  ["back", -86_400_000],
  ["forward", 86_400_000],
])("a wait is as long as it was meant where the clock goes %s by a day", async (_, change) => {
  vi.useFakeTimers({ toFake: ["Date"] });
  const began = performance.now();
  let looks = 0;
  const look = async () => {
    looks += 1;
    if (looks === 2) vi.setSystemTime(Date.now() + change);
    if (performance.now() - began > 5000) throw new Error("it still waits");
    return { done: false as const, because: `looked ${looks} times.` };
  };
  await expect(waitUntil(look, waiting)).rejects.toMatchObject({ code: "timeout" });
  expect(looks).toBeGreaterThan(5);
});
