import { expect, test } from "vitest";
import { driverNames, loadDriver } from "../../drivers.ts";

/** The names that states of labs have: one that is there no more leaves a lab that can't come down. */
const inStates = [
  "cluster-ready",
  "embedded-cluster",
  "external-cluster",
  "flux-controllers",
  "flux-definitions",
  "flux-ready",
  "git-repository",
  "github-cohort",
  "github-repository",
  "github-seed",
  "image-repository",
  "kind-cluster",
  "lab-host",
  "learner-token",
  "oci-repository",
  "pipeline",
  "seed-images",
  "ssh-key",
  "virtual-cluster",
  "virtual-cluster-namespace",
] as const;

test("every driver that a state names is there", () => expect(driverNames).toEqual(expect.arrayContaining([...inStates])));

test.each(driverNames)("%s loads, and is called what it is listed as", async (name) => {
  expect((await loadDriver(name)).name).toBe(name);
});
