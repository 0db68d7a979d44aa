/** Takes known secrets, and what looks like one, out of a text. */
export type Redact = (text: string) => string;

const gone = "[redacted]";

/**
 * Texts with the form of a secret, whoever wrote them: keys in PEM, credentials in URLs, tokens, hashes of passwords, and values
 * with such a name.
 */
const forms: readonly (readonly [RegExp, string])[] = [
  [/-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z0-9 ]*PRIVATE KEY-----|$)/g, gone],
  // In one line of JSON the line breaks of a key are two characters.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^\s/:@"'\\]+:[^\s/@"'\\]+@/gi, `$1${gone}@`],
  [/\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}/gi, `$1 ${gone}`],
  [/\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*/g, gone],
  [/\b(?:gh[pousr]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|AKIA[A-Z0-9]{16}|pul-[0-9a-f]{32,})/g, gone],
  [/\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}/g, gone],
  [
    // In a string of JSON its quotation marks have backslashes.
    /(\b[\w.-]*(?:password|passphrase|passwd|secret|token|(?:api|private|access)[-_]?key|client-key-data|cookie|encryptionsalt)\\*["']?\s*[:=]\s*)(?:\\+"(?:[^"\\]|\\(?!"))+\\*"|"(?:[^"\\]|\\.)+"|'[^']+'|[^\s,;&"'{}[\]\\]+)/gi,
    `$1"${gone}"`,
  ],
];

/** Shorter ones stand in words of every kind. */
const shortest = 6;

/**
 * @param secrets as they are; their base64 and their form in URLs and in JSON are known with them
 * @param personal names and addresses of people, which are taken out as well
 */
export function redactor(secrets: Iterable<string>, personal: Iterable<string> = []): Redact {
  const words = new Map<string, string>();
  for (const one of personal) if (one.length >= shortest) words.set(one, "[person]");
  for (const secret of secrets) for (const writing of writingsOf(secret)) words.set(writing, gone);
  // A secret within another must not leave the rest of it.
  const known = [...words].toSorted(([one], [other]) => other.length - one.length);
  return (text) => {
    const without = known.reduce((left, [word, instead]) => (left.includes(word) ? left.replaceAll(word, instead) : left), text);
    return forms.reduce((left, [form, instead]) => left.replace(form, instead), without);
  };
}

/** The writings of a secret in texts. */
export function writingsOf(secret: string): string[] {
  const base64 = Buffer.from(secret).toString("base64");
  const all = [secret, base64, base64.replaceAll("=", ""), encodeURIComponent(secret), JSON.stringify(secret).slice(1, -1)];
  return [...new Set(all)].filter((writing) => writing.length >= shortest);
}
