import { constants, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { may } from "../shared/environment.ts";
import { ExitCode, LabError } from "../shared/errors.ts";
import { shellWord } from "../shared/shell-word.ts";

/** The scripts of this checkout that other programs start; Git passes over a hook that may not be executed, and says nothing to who waits. */
const scripts = [
  "host/git/hooks/pre-receive",
  "host/git/hooks/post-receive",
  "tools/pulumi-engine/bin/pulumi",
  "tools/pulumi-plugins/pulumi-resource-github",
  "tools/pulumi-plugins/pulumi-resource-kubernetes",
  "tools/pulumi-plugins/pulumi-resource-pulumi-nodejs",
];

/**
 * Looks whether this checkout came over whole: as an archive, on a Windows drive or from an editor it may have lost modes or got
 * other line ends. Throws LabError `checkout-damaged`.
 */
export function requireCheckout(root: string = fileURLToPath(new URL("..", import.meta.url)).replace(/\/$/, "")): void {
  const locked = scripts.filter((script) => !may(`${root}/${script}`, constants.X_OK));
  const foreign = scripts.filter((script) => !locked.includes(script) && readFileSync(`${root}/${script}`, "utf8").includes("\r"));
  if (locked.length === 0 && foreign.length === 0) return;
  const [what, help] =
    locked.length > 0
      ? [`${locked.join(", ")} may not be executed`, `chmod +x ${locked.map((script) => shellWord(`${root}/${script}`)).join(" ")}`]
      : [
          `${foreign.join(", ")} ${foreign.length === 1 ? "has" : "have"} the line ends of Windows`,
          `sed -i 's/\\r$//' ${foreign.map((script) => shellWord(`${root}/${script}`)).join(" ")}`,
        ];
  throw new LabError(
    "checkout-damaged",
    `The checkout ${root} did not come over whole: ${what}. Nothing was created. Mend it with \`${help}\`, or make a new one with \`git clone\`, and run the command again.`,
    { exitCode: ExitCode.badInput },
  );
}
