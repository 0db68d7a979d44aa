/** Ids that the rooms of root get: host/room/numbers.ts gives them out, and tools/go/room/lab-room/probe.go tries the last ones. */
export const roomIds = { first: 0x7000_0000, last: 0x7fff_ffff };

type Range = readonly [first: number, last: number];

/** Whether there are those; a container's root may have as few as one id in all, and makes the rooms of an account. Pure. */
export function hasRoomIds(ids: readonly Range[]): boolean {
  return ids.some(([first, last]) => first <= roomIds.first && last >= roomIds.last);
}

/** The ids in /proc/<pid>/uid_map, whose format is in user_namespaces(7). Pure. */
export function idsThere(uidMap: string): [first: number, last: number][] {
  return uidMap.split("\n").flatMap((line): [number, number][] => {
    const [first, , count] = line.trim().split(/\s+/).map(Number);
    return first === undefined || count === undefined ? [] : [[first, first + count - 1]];
  });
}
