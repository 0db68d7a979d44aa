import { environments, type Environment } from "../../../shared/names.ts";
import { excerpt } from "../../../shared/printable.ts";
import { explainPolicy } from "../../../verification/policy-explanation.ts";

/** A tag that a policy must not take. */
interface Probe {
  readonly tag: string;
  readonly because: string;
}

const build = "v1.2.3-0123abc";

/** What is wrong with a policy's filter, one sentence each; none where it takes its own family by time and nothing else. */
export function patternTroubles(environment: Environment, pattern: string, extract: string): string[] {
  const time = "1790000000";
  const own = `${environment}-${build}-${time}`;
  const strange = strangers(environment);
  const { tags, failure } = explainPolicy(pattern, extract, { by: "numerical", order: "asc" }, [own, ...strange.map(({ tag }) => tag)]);
  const [explained, ...others] = tags;
  return [
    ...(explained?.matches
      ? []
      : [`The pattern refuses ${own}, a tag of ${environment}'s own family.${failure === undefined ? "" : ` ${failure}`}`]),
    ...(explained?.matches && explained.value !== time
      ? [`Of ${own} it extracts ${JSON.stringify(excerpt(explained.value ?? ""))}, not the time of the build.`]
      : []),
    ...others.flatMap(({ tag, matches }, index) => (matches ? [`The pattern takes ${tag}: ${strange[index]?.because}.`] : [])),
  ];
}

function strangers(environment: Environment): Probe[] {
  return [
    ...environments
      .filter((other) => other !== environment)
      .map((other) => ({ tag: `${other}-${build}-1790000000`, because: `an image of ${other}` })),
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
