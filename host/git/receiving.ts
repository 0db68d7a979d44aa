/*
 * Which repositories are being pushed to. A clean-up must not run meanwhile: it would remove what a push counts on and no
 * ref names yet. Both are in the lab daemon, so it is kept in memory.
 */
interface Traffic {
  pushes: number;
  /** Settles when the clean-up that runs has ended. */
  cleanUp: Promise<unknown> | undefined;
  readonly whenQuiet: (() => void)[];
}

const traffic = new Map<string, Traffic>();

function trafficOf(repository: string): Traffic {
  let found = traffic.get(repository);
  if (found === undefined) traffic.set(repository, (found = { pushes: 0, cleanUp: undefined, whenQuiet: [] }));
  return found;
}

/** Begins a push, after the clean-up that runs; returns what ends it. */
export async function beginPush(repository: string): Promise<() => void> {
  const here = trafficOf(repository);
  while (here.cleanUp !== undefined) await here.cleanUp;
  here.pushes += 1;
  let isOver = false;
  return () => {
    if (isOver) return;
    isOver = true;
    here.pushes -= 1;
    if (here.pushes === 0) for (const tell of here.whenQuiet.splice(0)) tell();
  };
}

/** Resolves when nobody pushes to the repository. */
export async function quietRepository(repository: string): Promise<void> {
  const here = trafficOf(repository);
  if (here.pushes > 0) await new Promise<void>((resolve) => here.whenQuiet.push(resolve));
}

/** Does the work while pushes that come in wait for it; does nothing, and says so, while somebody pushes. */
export async function unlessPushed(repository: string, work: () => Promise<void>): Promise<boolean> {
  const here = trafficOf(repository);
  if (here.pushes > 0 || here.cleanUp !== undefined) return false;
  const running = work();
  here.cleanUp = running.catch(() => undefined);
  try {
    await running;
  } finally {
    here.cleanUp = undefined;
  }
  return true;
}
