import { stringify } from "yaml";
import { z } from "zod";
import { fluxNamespace } from "../../../shared/names.ts";
import { kustomizationsReconciled } from "../../../verification/checks/kustomizations-reconciled.ts";
import { arrivals } from "../../../verification/held-rollback.ts";
import { getLive, GitRepository } from "../../../verification/live-objects.ts";
import { basisOf, lookAtRollout } from "../../../verification/rollout.ts";
import type { Drill } from "../../types.ts";
import { failed, firstTrouble, passed, requestReconcile, yamlAtTip } from "./support.ts";

const outageSeconds = 60;
const path = "incidents/git-outage.yaml";

/** What source-controller says when it can't fetch. */
const reasonOfOutage = "GitOperationFailed";
const waysToRecover = ["flux-retries", "restart-controllers", "apply-by-hand"] as const;

const Incident = z.strictObject({
  reason: z.string(),
  productionKeptRunning: z.boolean(),
  recoveredBy: z.enum(waysToRecover),
});

/** The Git server is away for a minute. Nothing is to be repaired; it is to be understood. */
export const gitOutage: Drill = {
  id: "git-outage",
  title: "The Git server is away",
  briefing: `The Git server does not answer. It will be back in about a minute.

While it is away, look at Flux (\`flux get sources git -A\`, \`kubectl get gitrepository flux-system -n flux-system -o yaml\`) and at production
(\`kubectl get pods -n production\`). When it is back, commit what you saw as \`${path}\`:

\`\`\`yaml
reason: <the reason of the GitRepository's Ready condition during the outage>
productionKeptRunning: <true or false>
recoveredBy: <one of ${waysToRecover.join(", ")}>
\`\`\``,
  hints: [
    "A condition has a type, a status, a reason and a message. The reason is one word: `kubectl get gitrepository flux-system -n flux-system -o jsonpath='{.status.conditions}'`.",
    "Flux keeps the last artifact that it fetched. Ask yourself what the pods of production need from Git to go on running.",
    "After the outage nobody has to do anything: source-controller tries again by itself. `kubectl get events -n flux-system` still names the reason.",
  ],

  async start(stage) {
    await stage.interruptGit(new Date(Date.now() + outageSeconds * 1000));
    await requestReconcile(stage, "gitrepository", fluxNamespace, fluxNamespace);
    await stage.waitFor(
      "Flux to notice the outage",
      async ({ kube }) =>
        (await getLive(kube, GitRepository, fluxNamespace, fluxNamespace))?.status.conditions.some(
          ({ type, status }) => type === "Ready" && status === "False",
        )
          ? true
          : undefined,
      outageSeconds,
    );
  },

  async check(context, since) {
    const expected = `${path} on the branch says what was seen, and Flux reconciles again`;
    const { git } = context;
    const content = await yamlAtTip(git, path);
    if (content === undefined)
      return failed(expected, `There is no ${path} on the branch.`, "The briefing has its form: `./lab drill start` shows it.");
    const [commit] = await git.log(path);
    const arrived = commit && (await (await arrivals(git))(commit.id));
    if (arrived === undefined || arrived < since)
      return failed(
        expected,
        `${path} is from before this outage.`,
        "Write down what you saw this time; another line of comment makes it a new commit.",
      );
    const incident = Incident.safeParse(content);
    if (!incident.success)
      return failed(
        expected,
        `${path} is not in the form that the briefing has: ${z.prettifyError(incident.error)}`,
        "It has exactly three fields: reason, productionKeptRunning, recoveredBy.",
      );
    const { reason, productionKeptRunning, recoveredBy } = incident.data;
    const wrong = [
      ...(reason === reasonOfOutage ? [] : [`The reason of the GitRepository's Ready condition was not ${JSON.stringify(reason)}.`]),
      ...(productionKeptRunning ? [] : ["Production did keep running: its pods need nothing from Git."]),
      ...(recoveredBy === "flux-retries"
        ? []
        : [`Nobody had to ${recoveredBy === "apply-by-hand" ? "apply anything by hand" : "restart anything"}.`]),
    ];
    if (wrong.length > 0) return failed(expected, wrong.join("\n"), "`kubectl get events -n flux-system` still tells what Flux reported.");
    const rollout = await lookAtRollout(context, "production");
    const basis = await basisOf(context, [rollout]);
    if (rollout.digest === undefined)
      return failed(
        "production runs",
        rollout.problem ?? "Nothing runs in production.",
        "Look at `kubectl get pods -n production`.",
        basis,
      );
    return (
      (await firstTrouble(context, [kustomizationsReconciled])) ??
      passed(`${path} tells the outage as it was, and Flux reconciles again`, basis)
    );
  },

  async solve(bench) {
    const seen = await bench.waitFor(
      "the reason that Flux gives",
      async ({ kube }) =>
        (await getLive(kube, GitRepository, fluxNamespace, fluxNamespace))?.status.conditions.find(
          ({ type, status }) => type === "Ready" && status === "False",
        )?.reason,
    );
    await bench.waitFor("the Git server to be back", async ({ git }) => git.head(), outageSeconds + 30);
    await bench.commit("Write down the outage of the Git server", (files) =>
      files.write(path, stringify({ reason: seen, productionKeptRunning: true, recoveredBy: "flux-retries" })),
    );
  },
};
