const mostLines = 20;
const longestLine = 300;

/**
 * What a learner may read of a compiler's words: the lines about files of the module, and of these no path of the lab host.
 * A file's own lines may name any other (`//line`), and a message may tell where a package was looked for.
 *
 * @param files of the module, relative to it
 */
export function wordsForLearner(words: string, files: readonly string[]): string | undefined {
  const own = new Set(files);
  const lines = words.split("\n").flatMap((line) => {
    const [, file = "", place = "", said = ""] = /^(?:\.\/)?([^:\s][^:]*\.go|go\.mod)(:\d+(?::\d+)?): (.*)$/.exec(line.trim()) ?? [];
    return own.has(file) ? [`${file}${place}: ${withoutPaths(said)}`.slice(0, longestLine)] : [];
  });
  if (lines.length === 0) return undefined;
  return [...lines.slice(0, mostLines), ...(lines.length > mostLines ? [`(${lines.length - mostLines} more lines)`] : [])].join("\n");
}

/** Any run of characters that begins with a slash and names something below it is taken for a path. */
function withoutPaths(text: string): string {
  return text.replace(/ ?\((?:\/[^\s()]+)\)/g, "").replace(/(^|[\s"'`(=,:;<[])\/(?:[^\s"'`()\],;<>/]+\/)*[^\s"'`()\],;<>/]+/g, "$1…");
}
