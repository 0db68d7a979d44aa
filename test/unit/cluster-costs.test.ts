import { describe, expect, test } from "vitest";
import { cloudCosts } from "../../cli/capacity/prices.ts";
import { learnersHere, portsNeeded } from "../../cli/capacity/costs.ts";
import { cloudRemedy } from "../../clusters/cloud/failures.ts";
import { movesBetween } from "../../cli/moves.ts";
import type { CohortOutputs } from "../../shared/outputs.ts";
import { parseCohort } from "../../stacks/load-spec.ts";
import { planCohort } from "../../stacks/plan.ts";

const gke = { kind: "gke", project: "lab-course", zone: "europe-west1-b", allowedNetworks: ["203.0.113.0/24"] };
const planOf = (ada: object, bob: object = ada, rest: object = {}) =>
  planCohort(
    "x",
    parseCohort(
      {
        course: "x",
        ttl: "10d",
        learners: [
          { id: "ada", name: "Ada", email: "ada@example.org", cluster: ada },
          { id: "bob", name: "Bob", email: "bob@example.org", cluster: bob },
        ],
        ...rest,
      },
      "x",
    ),
  );

describe("what a cloud costs", () => {
  test("is counted by cluster, node and hour, with what the cohort shares once", () => {
    const [cost] = cloudCosts(planOf({ ...gke, spot: false }));
    // Two clusters at 0.1 and two nodes at 0.067, and the way out at 0.006.
    expect(cost?.perHour).toBeCloseTo(0.34, 5);
    expect(cost?.inAll).toBeCloseTo(0.34 * 240, 5);
  });

  test("is less with machines that may be taken back, and for as long as each learner's lab lives", () => {
    const [spot] = cloudCosts(planOf(gke));
    expect(spot?.perHour).toBeCloseTo(0.006 + 2 * (0.1 + 0.35 * 0.067), 5);
  });

  test("is not guessed for a machine that the table does not know", () => {
    expect(cloudCosts(planOf({ ...gke, machineType: "z9-mega" }))).toEqual([
      { kind: "gke", clusters: 2, perHour: undefined, inAll: undefined, unknown: ["z9-mega"] },
    ]);
  });

  test("is nothing without a cloud", () => expect(cloudCosts(planOf({ kind: "embedded" }, { kind: "kind" }))).toEqual([]));
});

test("this machine is asked for what is on it, and for no more", () => {
  const mixed = planOf({ kind: "embedded" }, gke);
  expect(learnersHere(mixed).map(({ learner }) => learner.id)).toEqual(["ada"]);
  expect([portsNeeded(mixed), portsNeeded(planOf({ kind: "embedded" }, { kind: "kind" }))]).toEqual([4, 6]);
});

describe("a move to another provider", () => {
  const there = (kind: string, nodes: "real" | "simulated", git = "embedded") =>
    ({
      id: "ada",
      cluster: { kind, nodes },
      git: { kind: git },
      registry: { kind: "embedded" },
    }) as unknown as CohortOutputs["learners"][string];

  test("tells what is made anew and what is kept", () => {
    expect(movesBetween({ learners: { ada: there("embedded", "simulated") } }, planOf({ kind: "kind" }))).toEqual([
      {
        learner: "ada",
        from: "embedded (pods simulated)",
        to: "kind",
        madeAnew: ["cluster", "everything in the cluster", "Flux", "kubeconfig"],
        kept: ["Git repository with its history", "images"],
      },
    ]);
  });

  test("is one of nodes, too, and takes the repository along only within a Git host", () => {
    expect(movesBetween({ learners: { ada: there("embedded", "simulated") } }, planOf({ kind: "embedded", nodes: "real" }))).toMatchObject([
      { from: "embedded (pods simulated)", to: "embedded (pods real)" },
    ]);
    expect(movesBetween({ learners: { ada: there("gke", "real", "github") } }, planOf({ kind: "embedded" }))).toMatchObject([
      { madeAnew: expect.arrayContaining(["Git repository"]), kept: ["images"] },
    ]);
  });

  test("is none where nothing changes, and none of who is new", () => {
    expect(movesBetween({ learners: { ada: there("gke", "real") } }, planOf(gke))).toEqual([]);
  });
});

/** As the plugins print them. */
test.each<[string, RegExp]>([
  [
    "google: could not find default credentials. See https://cloud.google.com/docs/authentication/external/set-up-adc for more information",
    /log in to the cloud/,
  ],
  ['oauth2: "invalid_grant" "reauth related error (invalid_rapt)"', /login has run out/],
  [
    "operation error EKS: CreateCluster, https response error StatusCode: 400, ExpiredTokenException: The security token included in the request is expired",
    /login has run out/,
  ],
  [
    "googleapi: Error 403: Insufficient regional quota to satisfy request: resource \"CPUS\": request requires '2.0' and is short '2.0'",
    /quota does not suffice/,
  ],
  [
    "operation error EC2: AllocateAddress, api error AddressLimitExceeded: The maximum number of addresses has been reached.",
    /quota does not suffice/,
  ],
  ["googleapi: Error 403: Kubernetes Engine API has not been used in project 1 before or it is disabled.", /gcloud services enable/],
  [
    "api error AccessDeniedException: User: arn:aws:iam::1:user/x is not authorized to perform: eks:CreateCluster",
    /give it the named right/,
  ],
  ["operation error EKS: CreateCluster, ResourceInUseException: Cluster already exists with name: ada-1", /interrupted run has left it/],
  ["configured Kubernetes cluster is unreachable: unable to load schema information from the API server", /Nobody answers/],
])("%s is explained", (message, remedy) => expect(cloudRemedy(message)).toMatch(remedy));

test("what is unheard of is left as it is", () => expect(cloudRemedy("the moon is in the wrong phase")).toBeUndefined());
