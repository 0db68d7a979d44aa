import type { Item } from "./items.ts";

/** What can be tried with an item that is not there; false where it can't be had that way. */
export type Attempt = (item: Item, way: "fetch" | "make") => Promise<boolean>;

/** Several at once, since one host seldom fills a line; more would make each of them slow to show that it goes on. */
const downloadsAtOnce = 4;

/**
 * Gets items in two lanes: some are downloaded side by side, and at the same time those that have to be made are, one after the
 * other in their order, since a compiler fills the machine. What can't be downloaded moves to the other lane. After a failure
 * nothing new is begun; it is thrown when all that was under way has ended.
 *
 * @param options.stop ends what is under way
 * @param options.goIsHere resolves when Go's bytes have come, or can't: until then it has the line for itself, since what is made
 * waits for it
 * @param options.toBeMade told of all that can't be downloaded, when that is known of everything
 */
export async function inLanes(
  items: readonly Item[],
  attempt: Attempt,
  {
    stop,
    goIsHere,
    toBeMade,
  }: { readonly stop: () => void; readonly goIsHere: Promise<void>; readonly toBeMade: (items: readonly Item[]) => void },
): Promise<void> {
  const open = new Set(items.map(({ name }) => name));
  const toFetch = items.filter(({ fetch }) => fetch);
  const toMake = new Set(items.filter(({ fetch }) => !fetch));
  let fetching = toFetch.length;
  const failures: unknown[] = [];
  let news = Promise.withResolvers<void>();

  const tried = async (item: Item, way: "fetch" | "make") => {
    try {
      if ((await attempt(item, way)) || way === "make" || !item.make) open.delete(item.name);
      else toMake.add(item);
    } catch (error) {
      failures.push(error);
      stop();
    }
    if (way === "fetch" && --fetching === 0 && toMake.size > 0) toBeMade([...toMake]);
    news.resolve();
    news = Promise.withResolvers();
  };

  async function fetchLane(number: number): Promise<void> {
    if (number > 0 && open.has("go")) await goIsHere;
    for (let item = toFetch.shift(); item !== undefined && failures.length === 0; item = toFetch.shift()) await tried(item, "fetch");
  }

  // Whatever is made needs Go.
  const isReady = (item: Item) => toMake.has(item) && !open.has("go") && item.after.every((name) => !open.has(name));

  async function makeLane(): Promise<void> {
    while (failures.length === 0 && toMake.size + fetching > 0) {
      const awaited = news.promise;
      const item = items.find(isReady);
      if (item === undefined) {
        await awaited;
        continue;
      }
      toMake.delete(item);
      await tried(item, "make");
    }
  }

  await Promise.all([...Array.from({ length: downloadsAtOnce }, (_, number) => fetchLane(number)), makeLane()]);
  if (failures.length > 0) throw failures[0];
}
