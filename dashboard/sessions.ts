import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { z } from "zod";
import { readIfExists, writePrivateFile } from "../shared/private-files.ts";
import { dashboardFolder, hash, newToken, Visitor } from "./access.ts";

/** Seconds that a session and its cookie last. */
export const sessionSeconds = 14 * 3600;

/** Sessions by the hash of their cookie; times in milliseconds. */
const Kept = z.record(z.hash("sha256"), z.object({ visitor: Visitor, openedAt: z.int(), expiresAt: z.int() }));
type Kept = z.output<typeof Kept>;

/** Who has come in, by the hash of their cookie. */
export class Sessions {
  readonly #sessions: Map<string, Kept[string]>;
  readonly #file: string | undefined;
  #writing: Promise<void> = Promise.resolve();

  /** @param file where they are kept; without one they end with this process */
  constructor(file?: string, kept: Kept = {}) {
    this.#file = file;
    this.#sessions = new Map(Object.entries(kept));
  }

  /** The sessions of a cohort's dashboard, with those that were open when it last ran. A file that can't be read holds none. */
  static async ofCohort(cohort: string): Promise<Sessions> {
    const file = join(dashboardFolder(cohort), "sessions.json");
    const text = await readIfExists(file);
    return new Sessions(file, Kept.safeParse(parsed(text)).data);
  }

  /** The cookie's value. */
  async open(visitor: Visitor): Promise<string> {
    const now = Date.now();
    for (const [key, { expiresAt }] of this.#sessions) if (expiresAt <= now) this.#sessions.delete(key);
    const token = newToken();
    this.#sessions.set(hash(token), { visitor, openedAt: now, expiresAt: now + sessionSeconds * 1000 });
    await this.#keep();
    return token;
  }

  async close(cookie: string | undefined): Promise<void> {
    if (cookie !== undefined && this.#sessions.delete(hash(cookie))) await this.#keep();
  }

  /** The session of a cookie, while it lasts; whether a learner's was ended meanwhile is on disk, see visitsEndedAt. */
  of(cookie: string | undefined): Kept[string] | undefined {
    const session = cookie === undefined ? undefined : this.#sessions.get(hash(cookie));
    return session !== undefined && session.expiresAt > Date.now() ? session : undefined;
  }

  /** Writes queue up, so that the last state wins. A cohort that was removed is not made anew for it. */
  #keep(): Promise<void> {
    const file = this.#file;
    if (file === undefined) return Promise.resolve();
    this.#writing = this.#writing
      .catch(() => undefined)
      .then(async () => {
        if (existsSync(dirname(dirname(file)))) await writePrivateFile(file, JSON.stringify(Object.fromEntries(this.#sessions)));
      });
    return this.#writing;
  }
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? "{}");
  } catch {
    return {};
  }
}
