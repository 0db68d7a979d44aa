import type { KeyObject } from "node:crypto";

export interface FakeKey {
  readonly id: number;
  readonly key: string;
  readonly title: string;
  readonly read_only: boolean;
}

export interface FakeRuleset {
  readonly id: number;
  readonly [field: string]: unknown;
}

/** A repository as the fake keeps it; its Git content is a bare repository at `path`. */
export interface FakeRepository {
  readonly id: number;
  name: string;
  readonly path: string;
  description: string | null;
  private: boolean;
  archived: boolean;
  topics: string[];
  keys: FakeKey[];
  /** Permission by account; with the number of the invitation while it is open. */
  readonly collaborators: Map<string, { permission: string; invitation: number | undefined }>;
  actions: { enabled: boolean; allowed_actions: string; sha_pinning_required: boolean };
  selectedActions: Record<string, unknown>;
  workflow: { default_workflow_permissions: string; can_approve_pull_request_reviews: boolean };
  /** Decrypted, by name. */
  readonly secrets: Map<string, string>;
  rulesets: FakeRuleset[];
}

/** What one answer is replaced by: a limit, a refusal, an outage. */
export interface Fault {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: object;
  /** The request is carried out, and its answer lost. */
  readonly afterwards?: boolean;
}

export interface FakeState {
  readonly organization: string;
  plan: "free" | "team";
  /** Of the token; undefined for a fine-grained one. */
  scopes: string[] | undefined;
  token: string;
  membership: "active" | "pending" | undefined;
  readonly accounts: Set<string>;
  readonly repositories: Map<number, FakeRepository>;
  /** Names that lead on to a repository which was renamed. */
  readonly redirects: Map<string, number>;
  hostKeys: string[];
  /** A GitHub App that may log in, and what its installation may. */
  app: { id: string; installationId: number; publicKey: KeyObject; permissions: Record<string, string>; account: string } | undefined;
  nextId: number;
}

/** A request to the API, as it was taken. */
export interface Seen {
  readonly method: string;
  /** Without `/api/v3`. */
  readonly path: string;
  readonly at: number;
  readonly status: number;
}
