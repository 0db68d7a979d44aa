/** Judges whether a version found will do for the one wanted; both are `major.minor.patch`, without `v`. */
type Fits = (found: string) => boolean;

export function exactly(wanted: string): Fits {
  return (found) => found === wanted;
}

/** The same major and minor version, and no older patch. */
export function sameMinor(wanted: string): Fits {
  return (found) => compareVersions(found, wanted) >= 0 && found.split(".", 2).join() === wanted.split(".", 2).join();
}

export function atLeast(wanted: string): Fits {
  return (found) => compareVersions(found, wanted) >= 0;
}

/** By major, minor and patch; what follows (`-rc.1`, `+build`) does not count. */
function compareVersions(a: string, b: string): number {
  const [left, right] = [a, b].map((version) => version.split(/[.+-]/, 3).map(Number));
  for (let i = 0; i < 3; i++) {
    const difference = (left?.[i] ?? 0) - (right?.[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}
