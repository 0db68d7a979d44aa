import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";

/** Whoever polls a repository asks for this, and Flux polls for ever: of a repository that rests Git is asked once. */
interface Kept {
  readonly refs: string;
  readonly answer: Response;
}

const mostKept = 256;
/** An advertisement has a line of some 70 bytes for each branch and tag. */
const longest = 64 * 1024;
/** A repository has at most so many files of refs; of one with more, Git is asked each time. */
const mostFiles = 600;

/** What repositories answer to the question which refs they have, for as long as they have these. */
export class Advertisements {
  readonly #kept = new Map<string, Kept>();

  /**
   * The answer of a repository that has changed no ref since it was last asked; Git's own otherwise.
   *
   * @param repository its folder
   * @param protocol the Git-Protocol header, in which another form of the answer is asked for
   * @param ask has Git answer
   */
  async answer(repository: string, protocol: string, ask: () => Promise<Response>): Promise<Response> {
    const key = `${repository}\n${protocol}`;
    const refs = protocol.length > 100 ? undefined : await refsOf(repository);
    if (refs === undefined) return ask();
    const kept = this.#kept.get(key);
    if (kept?.refs === refs) return kept.answer.clone();
    const answer = await ask();
    if (answer.status !== 200) return answer;
    const body = Buffer.from(await answer.arrayBuffer());
    const whole = () => new Response(body, { status: answer.status, headers: answer.headers });
    this.#kept.delete(key);
    // A push in between may be in the answer, or not.
    if (body.length <= longest && (await refsOf(repository)) === refs) {
      const [oldest] = this.#kept.keys();
      if (this.#kept.size >= mostKept && oldest !== undefined) this.#kept.delete(oldest);
      this.#kept.set(key, { refs, answer: whole() });
    }
    return whole();
  }
}

/** Tells one state of a repository's refs from another; undefined where that can't be told with a few reads. */
async function refsOf(repository: string): Promise<string | undefined> {
  const state = createHash("sha256");
  let files = 0;
  const read = async (path: string): Promise<boolean> => {
    const entries = await readdir(join(repository, path), { withFileTypes: true });
    for (const entry of entries.toSorted((a, b) => (a.name < b.name ? -1 : 1))) {
      const below = `${path}/${entry.name}`;
      if (entry.isDirectory()) {
        if (!(await read(below))) return false;
      } else {
        if (!entry.isFile() || (files += 1) > mostFiles) return false;
        state
          .update(`${below}\0`)
          .update(await readFile(join(repository, below)))
          .update("\0");
      }
    }
    return true;
  };
  try {
    state.update(await readFile(join(repository, "HEAD")));
    if (!(await read("refs"))) return undefined;
    const packed = (await readdir(repository, { withFileTypes: true })).find(({ name }) => name === "packed-refs");
    if (packed !== undefined) {
      if (!packed.isFile()) return undefined;
      state.update(await readFile(join(repository, packed.name)));
    }
    return state.digest("hex");
  } catch {
    // A ref that is changed this instant, or no repository.
    return undefined;
  }
}
