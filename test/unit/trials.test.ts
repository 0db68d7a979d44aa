import { expect, test } from "vitest";
import { troubleOf } from "../../host/room/trials.ts";

const failing = (stderr: string, message = "Command failed") =>
  troubleOf(async () => Promise.reject(Object.assign(new Error(message), { stderr })));

test("a trial's trouble is the last line that says why, not where there may be more", async () => {
  const mount = "mount: /x: wrong fs type, bad option, bad superblock on overlay.";
  expect(await failing(`${mount}\n       dmesg(1) may have more information after failed mount system call.\n`)).toBe(mount);
  expect(await failing("first\nunshare: unshare failed: Operation not permitted\n")).toBe(
    "unshare: unshare failed: Operation not permitted",
  );
  expect(await failing("", "timed out")).toBe("timed out");
  expect(await failing("dmesg(1) may have more\n")).toBe("failed");
  expect(await troubleOf(async () => undefined)).toBe("");
});
