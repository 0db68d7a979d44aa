/** What the cohort file says of GitHub. */
export interface GithubSettings {
  readonly kind: "github";
  readonly organization: string;
  /** `https://github.com`, or that of a GitHub Enterprise Server. */
  readonly url: string;
  readonly onTeardown: "archive" | "delete";
  /** Whether rulesets protect the branches. */
  readonly protect: boolean;
  /** The server's SSH keys (`<type> <base64>`), where it does not publish them itself. */
  readonly hostKeys: readonly string[];
  /** How fast it may be written to. */
  readonly pace: { readonly perMinute: number; readonly perHour: number };
}
