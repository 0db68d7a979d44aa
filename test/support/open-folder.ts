import { mkdtempSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

/** A new folder for what another account is to reach: the folder for temporary files may be within one that is somebody's alone. */
export function openFolder(prefix: string): string {
  const place = [tmpdir(), "/tmp", "/var/tmp"].find(isOpen);
  if (place === undefined) throw new Error("no folder for temporary files can be reached by every account");
  return mkdtempSync(join(place, prefix));
}

function isOpen(folder: string): boolean {
  try {
    return (statSync(folder).mode & 0o001) !== 0 && (folder === "/" || isOpen(dirname(folder)));
  } catch {
    return false;
  }
}
