import { setTimeout as delay } from "node:timers/promises";
import { text } from "node:stream/consumers";
import { withWorkbench } from "../../host/workbench/workbench.ts";
import { messageOf } from "../../shared/errors.ts";
import { environments } from "../../shared/names.ts";
import type { LearnerOutputs } from "../../shared/outputs.ts";

/*
 * A learner who pushes without end: `node push.ts`, with `{ cohort, learner }` on standard input. Each push brings a new version of
 * the app and a megabyte that cannot be compressed. Says on its end, by SIGTERM, what became of the pushes.
 */
const { cohort, learner } = JSON.parse(await text(process.stdin)) as { cohort: string; learner: LearnerOutputs };
const pushes = { built: 0, refused: 0, lastRefusal: "" };
let stopped = false;
process.on("SIGTERM", () => {
  stopped = true;
});
await withWorkbench(cohort, learner, environments, async (bench) => {
  for (let number = 1; !stopped; number += 1) {
    try {
      await bench.commit(`Build ${number}`, async (files) => {
        await files.write("app/VERSION", `0.9.${number}\n`);
        await files.write("app/number.go", `package main\n\nconst number = ${number}\n`);
        await files.write("ballast", Buffer.alloc(1024 ** 2, `${number} ${Math.random()}`).toString("base64"));
      });
      pushes.built += 1;
    } catch (error) {
      pushes.refused += 1;
      pushes.lastRefusal = messageOf(error).split("\n")[0] ?? "";
      await delay(500);
    }
  }
});
process.stdout.write(`${JSON.stringify(pushes)}\n`);
