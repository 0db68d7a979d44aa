import { expect, test } from "vitest";
import { providerLines, toolLines } from "../../cli/commands/doctor.ts";
import { installHint } from "../../tools/package-manager.ts";

test("a tool is shown with the version that was found", () => {
  const lines = toolLines([
    { name: "git", wanted: "2.38.0", found: "2.47.1", state: "path", path: "/usr/bin/git" },
    { name: "crane", wanted: "0.22.1", found: "0.23.0", state: "path", path: "/usr/bin/crane" },
    { name: "helm", wanted: "4.2.4", state: "missing", onlyFor: "shared" },
    { name: "go", wanted: "1.26.8", state: "missing", note: "/usr/bin/go is 1.24.1" },
    { name: "kwok", wanted: "0.8.0", state: "missing", note: "/usr/bin/kwok is 0.7.0" },
  ]);
  expect(lines).toEqual([
    "git    2.47.1     path        /usr/bin/git",
    "crane  0.23.0     path        /usr/bin/crane",
    "helm   -          missing       (4.2.4, for `shared` only)",
    "go     -          missing       (`./lab setup` brings 1.26.8; /usr/bin/go is 1.24.1)",
    "kwok   -          missing       (`./lab setup` brings 0.8.0; /usr/bin/kwok is 0.7.0)",
  ]);
  expect(toolLines([{ name: "git", wanted: "2.38.0", state: "missing", note: "/usr/bin/git is 2.25.1" }])[0]).toContain(
    "needs 2.38.0 or newer",
  );
});

test.each([
  [[{ name: "helm", met: true, found: "/bin/helm", bySetup: true }], "ready to use", "✓"],
  [[{ name: "helm", met: false, found: "`./lab setup <cohort>` builds it", bySetup: true }], "usable after `./lab setup <cohort>`", "·"],
  [[{ name: "Docker engine", met: false, found: "none" }], "not usable from here", "✗"],
  [[{ name: "open files", met: false, found: "256", advice: true }], "ready to use", "!"],
] as const)("%j is %s", (conditions, verdict, sign) => {
  const [heading, line] = providerLines({ kind: "shared", conditions });
  expect(heading).toBe(`clusters of kind shared: ${verdict}`);
  expect(line).toMatch(new RegExp(`^  ${sign} `));
});

test.each([
  ['ID=debian\nVERSION_ID="12"\n', "Install it with `sudo apt-get install -y git`"],
  ['ID=linuxmint\nID_LIKE="ubuntu debian"\n', "Install it with `sudo apt-get install -y git`"],
  ['ID="rocky"\nID_LIKE="rhel centos fedora"\n', "Install it with `sudo dnf install -y git`"],
  ["ID=nixos\n", "Install it with the package manager of your system"],
  ["", "Install it with the package manager of your system"],
])("of a system %j, how it installs is known or not said", (release, hint) => {
  expect(installHint("git", "linux", release)).toBe(hint);
  expect(installHint("git", "darwin", release)).toBe("Install it with `brew install git`");
});
