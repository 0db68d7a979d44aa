/*
 * Plans and previews a large class with mocks, in one stack and in several, and prints what it took beside the paper
 * calculation of bench/scale-model.ts: `node bench/scaling.ts [learners] [shards]`. Each shard runs in a process of its own,
 * as it would.
 */
import { parseCohort } from "../stacks/load-spec.ts";
import { planCohort } from "../stacks/plan.ts";
import { run } from "../shared/exec.ts";
import { countWrites, previewCohort } from "../test/support/mocked-cohort.ts";
import { scaleOf } from "./scale-model.ts";

const [learners = 500, shards = 5] = process.argv.slice(2, 4).map(Number);
const one = process.argv[4];

function planOf(shard: string | undefined) {
  const started = performance.now();
  const spec = parseCohort(
    {
      course: "scaling",
      cluster: { kind: "shared", kubeconfig: "/nowhere/kubeconfig", expose: { kind: "ingress", domain: "labs.example.org" } },
      parallel: 16,
      ...(shard && { shard }),
      learners: Array.from({ length: learners }, (_, index) => ({
        id: `l${index + 1}`,
        name: `Learner ${index + 1}`,
        email: `l${index + 1}@example.org`,
      })),
    },
    "bench",
  );
  const plan = planCohort("big", spec);
  return { plan, planMs: performance.now() - started };
}

if (one !== undefined) {
  const { plan, planMs } = planOf(one === "-" ? undefined : one);
  const started = performance.now();
  const { resources } = await previewCohort(plan);
  const seconds = (performance.now() - started) / 1000;
  console.log(
    JSON.stringify({
      learners: plan.learners.length,
      planMs: Math.round(planMs),
      seconds: Number(seconds.toFixed(1)),
      resources: resources.length,
      writes: countWrites(resources),
      rssMiB: Math.round(process.memoryUsage.rss() / 1024 ** 2),
    }),
  );
} else {
  for (const shard of ["-", ...Array.from({ length: shards }, (_, index) => `${index + 1}/${shards}`)]) {
    const { stdout } = await run(process.execPath, [import.meta.filename, String(learners), String(shards), shard], {});
    const measured = stdout.trim().split("\n").at(-1) ?? "";
    console.log(
      shard === "-" ? "one stack" : `shard ${shard}`,
      measured,
      "paper:",
      JSON.stringify(scaleOf("shared", (JSON.parse(measured) as { learners: number }).learners)),
    );
  }
}
