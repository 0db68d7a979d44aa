import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import type { Item } from "../../tools/items.ts";
import { inLanes } from "../../tools/lanes.ts";

function item(name: string, ways: readonly ("fetch" | "make")[], after: readonly string[] = []): Item {
  const nothing = async () => true;
  return {
    name,
    what: name,
    folder: "",
    isThere: async () => false,
    after,
    ...(ways.includes("fetch") && { fetch: nothing }),
    ...(ways.includes("make") && { make: async () => {} }),
  };
}

/** Runs items whose attempts end when the test says so. */
function running(items: readonly Item[], goIsHere: Promise<void> = Promise.resolve()) {
  const open = new Map<string, PromiseWithResolvers<boolean>>();
  const begun: string[] = [];
  const told: string[][] = [];
  let stopped = 0;
  const all = inLanes(
    items,
    ({ name }, way) => {
      begun.push(`${way} ${name}`);
      const one = Promise.withResolvers<boolean>();
      open.set(name, one);
      return one.promise;
    },
    { stop: () => void stopped++, goIsHere, toBeMade: (some) => told.push(some.map(({ name }) => name)) },
  );
  // Seen by the test when it awaits it.
  all.catch(() => {});
  const end = async (name: string, result: boolean | Error) => {
    if (result instanceof Error) open.get(name)?.reject(result);
    else open.get(name)?.resolve(result);
    await turn();
  };
  return { all, begun, told, end, stopped: () => stopped };
}

test("Go has the line for itself until its bytes are here, then four are fetched at once", async () => {
  const goIsHere = Promise.withResolvers<void>();
  const { all, begun, end } = running([item("go", ["fetch"]), ..."abcde".split("").map((name) => item(name, ["fetch"]))], goIsHere.promise);
  await turn();
  expect(begun).toEqual(["fetch go"]);
  goIsHere.resolve();
  await turn();
  expect(begun).toEqual(["fetch go", "fetch a", "fetch b", "fetch c"]);
  await end("b", true);
  expect(begun.at(-1)).toBe("fetch d");
  for (const name of ["go", "a", "c", "d", "e"]) await end(name, true);
  await all;
});

test("what can't be fetched is made, one after the other in their order, and nothing before Go is there", async () => {
  const items = [item("go", ["fetch"]), item("api", ["fetch", "make"]), item("own", ["make"]), item("flux", ["fetch", "make"])];
  const { all, begun, told, end } = running(items);
  await turn();
  await end("flux", false);
  expect(begun).not.toContain("make own");
  await end("go", true);
  expect(begun.at(-1)).toBe("make own");
  await end("api", false);
  expect(told).toEqual([["flux", "api"]]);
  expect(begun.filter((one) => one.startsWith("make"))).toEqual(["make own"]);
  await end("own", true);
  expect(begun.at(-1)).toBe("make api");
  await end("api", true);
  expect(begun.at(-1)).toBe("make flux");
  await end("flux", true);
  await all;
});

test("what comes with another is looked at when that one is there, though it be made last", async () => {
  const { all, begun, end } = running([item("engine", ["fetch", "make"]), item("host", ["make"], ["engine"]), item("own", ["make"])]);
  await turn();
  await end("engine", false);
  await end("own", true);
  expect(begun.at(-1)).toBe("make engine");
  await end("engine", true);
  expect(begun.at(-1)).toBe("make host");
  await end("host", true);
  await all;
});

test("after a failure nothing new is begun, and what was under way has ended before it is thrown", async () => {
  const { all, begun, end, stopped } = running([..."abcdef".split("").map((name) => item(name, ["fetch"])), item("own", ["make"])]);
  await turn();
  let ended = false;
  void all.catch(() => {}).then(() => (ended = true));
  await end("a", new Error("wrong bytes"));
  expect(stopped()).toBe(1);
  for (const name of ["b", "c", "d"]) await end(name, true);
  expect(ended).toBe(false);
  await end("own", true);
  await expect(all).rejects.toThrow("wrong bytes");
  expect(begun).toEqual(["fetch a", "fetch b", "fetch c", "fetch d", "make own"]);
});
