import { environments, type Environment } from "../../../shared/names.ts";

/** What a policy of an environment says about a tag that it should, or should not, take. */
interface Probe {
  readonly tag: string;
  readonly because: string;
}

const build = "v1.2.3-0123abc";

/**
 * What is wrong with a policy's filter, one sentence each; none where it takes its own family and nothing else. The
 * pattern is Go's, of which JavaScript writes named groups in another way; what else differs is not used in the lab.
 */
export function patternTroubles(environment: Environment, pattern: string, extract: string): string[] {
  let regex: RegExp;
  try {
    regex = new RegExp(pattern.replaceAll("(?P<", "(?<"));
  } catch {
    return [`The pattern ${pattern} is no regular expression.`];
  }
  const own = `${environment}-${build}-1790000000`;
  const match = regex.exec(own);
  if (match === null) return [`The pattern refuses ${own}, a tag of ${environment}'s own family.`];
  const value = extract.replace(/\$\{?(\w+)\}?/g, (_, group: string) => match.groups?.[group] ?? match[Number(group)] ?? "");
  return [
    ...(value === "1790000000" ? [] : [`Of ${own} it extracts ${JSON.stringify(value)}, not the time of the build.`]),
    ...strangers(environment).flatMap(({ tag, because }) => (regex.test(tag) ? [`The pattern takes ${tag}: ${because}.`] : [])),
  ];
}

function strangers(environment: Environment): Probe[] {
  return [
    ...environments.filter((other) => other !== environment).map((other) => ({ tag: `${other}-${build}-1790000000`, because: `an image of ${other}` })),
    { tag: `${environment}-latest`, because: "a tag that moves" },
    { tag: "latest", because: "a tag that moves" },
    { tag: `${environment}-${build}-1790000000-rc1`, because: "the end is not anchored, a `$` is missing" },
    { tag: `hotfix-${environment}-${build}-1790000000`, because: "the beginning is not anchored, a `^` is missing" },
    { tag: `${environment}-${build}-999999999`, because: "fewer digits, which sort in another order" },
    { tag: `${environment}-${build}-17900000000`, because: "more digits, which outrun every time" },
    { tag: `${environment}-v1x2x3-0123abc-1790000000`, because: "the dots of the version are not escaped" },
    { tag: `${environment}-v1.2-0123abc-1790000000`, because: "a version without a patch number" },
    { tag: `${environment}-v1.2.3-nothex!-1790000000`, because: "its revision is none" },
  ];
}
