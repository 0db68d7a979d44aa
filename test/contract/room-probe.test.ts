import { expect, test } from "vitest";
import { run } from "../../shared/exec.ts";
import { toolPath } from "../../tools/locate.ts";
import { suiteIsRoot } from "../support/room.ts";

/** What is found for a lab's folder on an overlay, as a container's own files are, in a namespace of mounts that goes with it. */
async function onOverlay(): Promise<Record<string, string>> {
  const script = [
    "mount -t tmpfs tmpfs /mnt",
    "cd /mnt",
    "mkdir lower upper work merged",
    "mount -t overlay overlay -o lowerdir=lower,upperdir=upper,workdir=work merged",
    'exec "$0" probe merged',
  ];
  const { stdout } = await run("unshare", ["--mount", "sh", "-ec", script.join(" && "), await toolPath("lab-room")], { stdin: "ignore" });
  return JSON.parse(stdout) as Record<string, string>;
}

test("a file system that can't show files under other owners is no reason against rooms: files are handed over", async () => {
  // Nobody else's folder is mounted under other owners.
  if (!suiteIsRoot) return expect(onOverlay()).rejects.toThrow(/unshare failed|not permitted/);
  const { mounts, idmap, proc, network, userNamespace } = await onOverlay();
  expect(idmap).toContain("handed over");
  expect({ mounts, proc, network, userNamespace }).toEqual({ mounts: "", proc: "", network: "", userNamespace: "" });
});
