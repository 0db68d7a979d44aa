import { describe, expect, test } from "vitest";
import { idsThere } from "../../host/room/ids.ts";
import { cgroupVersion, findingOf } from "../../host/room/machine.ts";
import { assessRoom, reasons, roomKind, type RoomFacts, type RoomTrial } from "../../host/room/preflight.ts";
import { roomLines } from "../../cli/commands/doctor.ts";

const works: RoomTrial = { by: "lab-room", userNamespace: "", mounts: "", network: "", proc: "", idmap: "", cgroup: "", seccomp: "" };
/** Debian 12 with control groups of version 2, and the lab started by root. */
const debian: RoomFacts = {
  platform: "linux",
  kernel: "6.1.0-18-amd64",
  uid: 0,
  capabilities: (1n << 41n) - 1n,
  ids: [[0, 2 ** 32 - 2]],
  settings: { maxUserNamespaces: 63_000, unprivilegedUsernsClone: 1 },
  cgroups: 2,
  trial: works,
};
const user: RoomFacts = { ...debian, uid: 1000, capabilities: 0n, ids: [[0, 2 ** 32 - 2]] };
const notPermitted = "unshare: unshare failed: Operation not permitted";
const refused = (why: string): RoomTrial => ({ ...works, userNamespace: why, mounts: why, network: why, proc: why, seccomp: why });

interface Machine {
  readonly name: string;
  readonly facts: RoomFacts;
  readonly kind: "root" | "user" | "none";
  /** Names of what keeps it from a better room. */
  readonly because: readonly string[];
  /** What the person who reads it can do. */
  readonly help: readonly (string | RegExp)[];
}

const machines: readonly Machine[] = [
  { name: "Debian, root, control groups of version 1", facts: { ...debian, cgroups: 1 }, kind: "root", because: [], help: [] },
  { name: "Debian, root, control groups of version 2", facts: debian, kind: "root", because: [], help: [] },
  {
    name: "root with a lab's folder on a file system without idmapped mounts",
    facts: { ...debian, trial: { ...works, idmap: "mount_setattr: invalid argument" } },
    kind: "root",
    because: ["files mounted under other ids"],
    help: ["ext4, xfs or btrfs"],
  },
  {
    name: "Debian, an ordinary user whose group is handed over",
    facts: user,
    kind: "user",
    because: ["root"],
    help: ["Run the lab as root"],
  },
  {
    name: "Debian, an ordinary user, control groups of version 1",
    facts: { ...user, cgroups: 1, trial: { ...works, cgroup: "no group of version 2" } },
    kind: "user",
    because: ["root", "limits by control groups of version 1"],
    help: ["groups of version 1 can't be handed to an ordinary user"],
  },
  {
    name: "an ordinary user whose session has no group of its own",
    facts: { ...user, trial: { ...works, cgroup: "no group was handed to this user" } },
    kind: "user",
    because: ["root", "limits by control groups of version 2"],
    help: ["systemd-run --user --scope -p Delegate=yes", "Delegate=cpu memory pids"],
  },
  {
    name: "Ubuntu 24.04, an ordinary user whom AppArmor restricts",
    facts: {
      ...user,
      kernel: "6.8.0-31-generic",
      settings: { ...user.settings, apparmorRestrictUserns: 1 },
      trial: refused("unshare: write failed /proc/self/uid_map: Operation not permitted"),
    },
    kind: "none",
    because: ["user namespaces"],
    help: ["sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0", "/etc/sysctl.d/", "run the lab as root"],
  },
  {
    name: "Ubuntu 24.04, root, whom AppArmor does not restrict",
    facts: { ...debian, kernel: "6.8.0-31-generic", settings: { apparmorRestrictUserns: 1 } },
    kind: "root",
    because: [],
    help: [],
  },
  {
    name: "Docker without rights",
    facts: {
      ...debian,
      capabilities: 0xa80425fbn,
      container: "docker",
      trial: { ...refused(notPermitted), cgroup: "EROFS: read-only file system" },
    },
    kind: "none",
    because: ["user namespaces"],
    help: ["`--privileged`", "--security-opt seccomp=unconfined"],
  },
  {
    name: "Docker with seccomp and AppArmor off, and no more capabilities",
    facts: { ...debian, capabilities: 0xa80425fbn, container: "docker", trial: refused("show /lab-room: operation not permitted") },
    kind: "none",
    because: ["user namespaces"],
    help: ["`--privileged`", "`--cap-add SYS_ADMIN"],
  },
  {
    name: "Docker with that capability, too",
    facts: {
      ...debian,
      capabilities: 0xa80425fbn | (1n << 21n),
      container: "docker",
      trial: { ...works, proc: "the machine's own /proc is masked", cgroup: "EROFS: read-only file system" },
    },
    kind: "root",
    because: ["limits by control groups of version 2", "/proc of its own"],
    help: ["`--privileged --cgroupns=host`", "systempaths=unconfined"],
  },
  {
    name: "Docker with seccomp and AppArmor off, and no capability at all",
    facts: { ...debian, capabilities: 0n, container: "docker", trial: { ...works, by: "unshare" } },
    kind: "user",
    because: ["capabilities"],
    help: ["without CAP_SYS_ADMIN, CAP_SETUID", "`--privileged`"],
  },
  {
    name: "a container of Kubernetes",
    facts: { ...debian, capabilities: 0n, container: "kubernetes", trial: refused(notPermitted) },
    kind: "none",
    because: ["user namespaces"],
    help: ["securityContext: {privileged: true}"],
  },
  {
    name: "an ordinary user, user namespaces off for ordinary users",
    facts: { ...user, settings: { ...user.settings, unprivilegedUsernsClone: 0 }, trial: refused(notPermitted) },
    kind: "none",
    because: ["user namespaces"],
    help: ["sudo sysctl -w kernel.unprivileged_userns_clone=1"],
  },
  {
    name: "root, no user namespaces for anybody",
    facts: { ...debian, settings: { maxUserNamespaces: 0 }, trial: refused("unshare: unshare failed: No space left on device") },
    kind: "none",
    because: ["user namespaces"],
    help: ["sudo sysctl -w user.max_user_namespaces=15000"],
  },
  {
    name: "Debian 11 with its kernel 5.10",
    facts: { ...debian, kernel: "5.10.0-28-amd64", trial: { ...works, mounts: "mount_setattr: function not implemented" } },
    kind: "none",
    because: ["Linux 5.12 or later", "mounts of its own"],
    help: ["backports of Debian 11"],
  },
  {
    name: "a kernel 4.18 that was given the calls back",
    facts: { ...debian, kernel: "4.18.0-553.el8" },
    kind: "root",
    because: [],
    help: [],
  },
  {
    name: "WSL 2, root",
    facts: { ...debian, kernel: "5.15.153.1-microsoft-standard-WSL2", cgroups: 1 },
    kind: "root",
    because: [],
    help: [],
  },
  {
    name: "WSL 2 with an old kernel",
    facts: { ...debian, kernel: "5.10.16.3-microsoft-standard-WSL2", trial: { ...works, mounts: "not implemented" } },
    kind: "none",
    because: ["Linux 5.12 or later", "mounts of its own"],
    help: ["wsl --update"],
  },
  {
    name: "WSL 1",
    facts: { ...debian, kernel: "4.4.0-19041-Microsoft", trial: refused("invalid argument") },
    kind: "none",
    because: ["Linux 5.12 or later", "user namespaces"],
    help: ["wsl --set-version"],
  },
  {
    name: "a machine whose controllers are in hierarchies of version 1 while version 2 is what the lab sees",
    facts: { ...debian, trial: { ...works, cgroup: "no controller cpu, memory, pids" } },
    kind: "root",
    because: ["limits by control groups of version 2"],
    help: ["`cgroup_no_v1=all cgroup_enable=memory` to the kernel's command line and start it again"],
  },
  {
    name: "LXC with nesting, whose ids are all of 16 bits",
    facts: { ...debian, ids: [[0, 65_535]], container: "lxc" },
    kind: "user",
    because: ["user ids that no account has"],
    help: ["there are 0 to 65535", "raw.idmap", "from 1879048192 to 2147483647"],
  },
  {
    name: "LXC with nesting and the ids of rooms mapped into it",
    facts: {
      ...debian,
      ids: [
        [0, 65_535],
        [0x7000_0000, 0x7fff_ffff],
      ],
      container: "lxc",
    },
    kind: "root",
    because: [],
    help: [],
  },
  {
    name: "root of a container that an account made, which has that account's one id",
    facts: { ...debian, ids: [[0, 0]], container: "podman", trial: { ...works, cgroup: "EACCES: permission denied" } },
    kind: "user",
    because: ["user ids that no account has", "limits by control groups of version 2"],
    help: ["there are 0.", "from 1879048192 to 2147483647"],
  },
  {
    name: "LXC without nesting",
    facts: { ...debian, ids: [[0, 65_535]], container: "lxc", trial: { ...refused(notPermitted), by: "unshare" } },
    kind: "none",
    because: ["user namespaces"],
    help: ["security.nesting=true", "features: nesting=1"],
  },
  {
    name: "macOS",
    facts: { ...debian, platform: "darwin", kernel: "24.1.0", trial: undefined },
    kind: "none",
    because: ["Linux"],
    help: ["virtual machine"],
  },
  {
    name: "a fresh machine on which nothing can try",
    facts: { ...debian, trial: undefined },
    kind: "none",
    because: ["user namespaces", "mounts of its own", "network of its own", "system call filter"],
    help: ["`./lab setup` builds lab-room"],
  },
  {
    name: "a fresh machine that has unshare and no mount",
    facts: { ...debian, trial: { ...works, by: "unshare", mounts: undefined, idmap: undefined } },
    kind: "none",
    because: ["mounts of its own"],
    help: ["not tried yet", "`./lab setup` builds lab-room"],
  },
  {
    name: "a fresh machine on which only unshare has tried",
    facts: { ...debian, trial: { ...works, by: "unshare", idmap: undefined } },
    kind: "root",
    because: [],
    help: [],
  },
];

describe.each(machines)("$name", ({ facts, kind, because, help }) => {
  test(`can make: ${kind}`, () => {
    const found = roomKind(facts);
    expect(found.kind).toBe(kind);
    const names = found.because.map(({ name }) => name);
    // Where nothing could be tried on another system, that it is another system comes first.
    expect(facts.platform === "linux" ? names : names.slice(0, 1)).toEqual(because);
  });

  test("says what helps, in whole sentences of one paragraph", () => {
    const text = reasons(roomKind(facts).because);
    for (const one of help)
      expect(text).toMatch(one instanceof RegExp ? one : new RegExp(one.replace(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)));
    expect(text).not.toMatch(/\n|\.\./);
    expect(help.length === 0).toBe(text === "");
  });
});

test("what is met has no help, and what is not has some, unless it waits for something else", () => {
  for (const { facts } of machines)
    for (const { met, help, name, found } of assessRoom(facts))
      expect([name, help === undefined]).toEqual([name, met || found === "not tried without a user namespace"]);
});

test("what several conditions have in common is said once", () => {
  const facts: RoomFacts = { ...user, trial: { ...works, mounts: "not permitted", network: "not permitted" } };
  expect(reasons(roomKind(facts).because)).toBe(
    "mounts of its own, network of its own: not permitted. Run the lab as root, or look in the kernel's log for a security module that refuses.",
  );
});

test("a setting that stands in the way is to be changed on the container's host", () => {
  const facts: RoomFacts = { ...debian, container: "docker", settings: { maxUserNamespaces: 0 }, trial: refused(notPermitted) };
  expect(reasons(roomKind(facts).because)).toContain("`sudo sysctl -w user.max_user_namespaces=15000` on the container's host");
});

describe("doctor", () => {
  test("says which room there is, why not a better one, and what helps", () => {
    const lines = roomLines(findingOf({ ...user, trial: { ...works, cgroup: "no group was handed to this user" } }));
    expect(lines[0]).toMatch(/lesser ones are possible on this machine: root in a room is the account that starts the lab/);
    expect(lines.join("\n")).toMatch(
      /✗.* limits by control groups of version 2: no group was handed to this user\n {4}Start the lab by `systemd-run/,
    );
    expect(roomLines(findingOf(debian))[0]).toMatch(/possible on this machine, with user ids that no account has/);
    expect(roomLines(findingOf({ ...debian, trial: refused(notPermitted) }))[0]).toMatch(/not possible on this machine/);
  });

  test("does not say that there is none where nobody has tried", () => {
    const lines = roomLines(findingOf({ ...debian, trial: undefined }));
    expect(lines[0]).toMatch(/not known before `\.\/lab setup` has built lab-room/);
    expect(lines.join("\n")).not.toContain("not possible");
    expect(roomLines(findingOf({ ...debian, trial: { ...works, by: "unshare", mounts: undefined } }))[0]).toMatch(/not known before/);
    expect(roomLines(findingOf({ ...debian, trial: { ...works, by: "unshare" } }))[0]).toMatch(/tried with unshare/);
  });
});

test("reads which ids there are", () => {
  expect(idsThere("         0          0 4294967295\n")).toEqual([[0, 4_294_967_294]]);
  expect(idsThere("0 100000 65536\n65536 300000 1000\n")).toEqual([
    [0, 65_535],
    [65_536, 66_535],
  ]);
  expect(idsThere("0 1000 1")).toEqual([[0, 0]]);
  expect(idsThere("")).toEqual([]);
});

test("reads which control groups are mounted", () => {
  const version1 = "26 25 0:23 / /sys/fs/cgroup/memory rw,nosuid shared:9 - cgroup cgroup rw,memory";
  expect(cgroupVersion("30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate")).toBe(2);
  expect(cgroupVersion(version1)).toBe(1);
  expect(cgroupVersion(`${version1}\n28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw`)).toBe(1);
  expect(cgroupVersion("25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw")).toBeUndefined();
});
