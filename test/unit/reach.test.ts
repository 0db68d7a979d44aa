import { describe, expect, test } from "vitest";
import { ownAddresses } from "../../host/doors/address.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";
import { requireReach } from "../../stacks/reach.ts";

const [ada, bob, eve] = ["ada", "bob", "eve"].map((id) => ({ id, name: id, email: `${id}@example.org` }));
const kind = { kind: "kind" };
const shared = { kind: "shared", kubeconfig: "/nowhere/kubeconfig", expose: { kind: "ingress", domain: "labs.example.org" } };
const oci = { kind: "oci", url: "https://registry.example.org/x", username: "lab" };
const planOf = (change: object) => planCohort("x", parseCohort({ course: "x", learners: [ada, bob], ...change }, "x"));
const opened = { access: { listen: "172.18.0.1" } };

describe("Git and registry that are embedded", () => {
  test("are reached by embedded clusters", () => requireReach(planOf({})));

  test("are reached by kind where the cohort is opened, by the opened address, and by the others over loopback", () => {
    const plan = planOf({ ...opened, learners: [ada, { ...bob, cluster: kind }] });
    requireReach(plan);
    expect(plan.learners.map(({ via }) => via)).toEqual(["loopback", "door"]);
  });

  test("are not reached by kind where it is not: who, what, and the lines of the file that help", () => {
    const refused = () => requireReach(planOf({ cluster: kind }));
    expect(refused).toThrow(expect.objectContaining({ code: "out-of-reach", exitCode: 2 }));
    expect(refused).toThrow(
      /^The cluster of learner ada and 1 more \(kind\) has no way to what is embedded: `git` and `registry` would listen on this machine's loopback/,
    );
    expect(refused).toThrow(`put \`access: {listen: ${ownAddresses()[0]}}\` beside \`cluster\` in the cohort file`);
    expect(() => requireReach(planOf({ cluster: kind, registry: oci }))).toThrow(/embedded: `git` would listen/);
  });

  test("are not reached by a cluster that the lab does not make the nodes of, and opening them would not help", () => {
    const learners = [ada, { ...bob, cluster: kind }, { ...eve, cluster: shared }];
    expect(() => requireReach(planOf({ learners }))).toThrow(
      /cluster of learner eve and 1 more \(shared\).*`access` would not help: .* authority, which nodes that the lab does not make do not trust\./,
    );
    expect(() => planOf({ ...opened, learners })).toThrow(
      /`access` opens what is of this machine, and `cluster\.kind` of learner eve is "shared"/,
    );
  });
});
