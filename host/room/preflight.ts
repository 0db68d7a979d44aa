import type { Condition } from "./trials.ts";
import { hasRoomIds, roomIds } from "./ids.ts";

/** What a room is made of, as the words of a trial: empty where it works, else why not; undefined where it was not tried. */
export interface RoomTrial {
  /** Who tried: the program that makes rooms, or in its place the system's `unshare`, which knows less of them. */
  readonly by: "lab-room" | "unshare";
  readonly userNamespace?: string | undefined;
  readonly mounts?: string | undefined;
  readonly network?: string | undefined;
  readonly proc?: string | undefined;
  readonly idmap?: string | undefined;
  readonly cgroup?: string | undefined;
  readonly seccomp?: string | undefined;
}

/** What `assessRoom` judges, as it was found on a machine: host/room/machine.ts. */
export interface RoomFacts {
  readonly platform: string;
  /** As `uname -r` has it. */
  readonly kernel: string;
  readonly uid: number;
  /** Effective capabilities of this process, as in /proc/<pid>/status. */
  readonly capabilities: bigint;
  /** The user ids that there are for this process, from first to last, by /proc/self/uid_map. */
  readonly ids: readonly (readonly [first: number, last: number])[];
  /** What kind of container this is, where it is one: `docker`, `podman`, `kubernetes`, `lxc`, or another's name. */
  readonly container?: string | undefined;
  /** Settings of the kernel that there are. */
  readonly settings: Readonly<Partial<Record<"maxUserNamespaces" | "unprivilegedUsernsClone" | "apparmorRestrictUserns", number>>>;
  /** Of the control groups that are mounted; undefined where none are. */
  readonly cgroups: 1 | 2 | undefined;
  /** Undefined where nothing here could try. */
  readonly trial: RoomTrial | undefined;
}

export interface RoomCondition extends Condition {
  /** What a machine without it can't make: `any` room, one of the `root` kind, or one that lacks nothing (`full`). */
  readonly neededFor: "any" | "root" | "full";
  /** What helps, as a main clause without its full stop; where it is not met and something does. */
  readonly help?: string;
  /** Whether nobody has tried, so that `met` is no finding. */
  readonly untried?: true;
}

/** `root`: with a uid of the host for each learner. `user`: its root is the account that started the lab. */
export type RoomKind = "root" | "user" | "none";

/** Bits from linux/capability.h: to show files, to give ids, to hand over files and reach them, to end what has other ids. */
const neededCapabilities = {
  CAP_SYS_ADMIN: 21n,
  CAP_SETUID: 7n,
  CAP_SETGID: 6n,
  CAP_CHOWN: 0n,
  CAP_DAC_OVERRIDE: 1n,
  CAP_FOWNER: 3n,
  CAP_KILL: 5n,
};

const helpWithIds = `Run the lab outside of this container, or map the ids from ${roomIds.first} to ${roomIds.last} into it: \`raw.idmap\` with Incus and LXD, a second \`lxc.idmap\` with LXC, and that range for root in /etc/subuid and /etc/subgid of the host`;

/** open_tree, move_mount and mount_setattr are all there since then. */
const firstKernel = [5, 12] as const;

/** What a room needs, and whether it is there. Pure. */
export function assessRoom(facts: RoomFacts): readonly RoomCondition[] {
  const { platform, kernel, trial } = facts;
  // These are made within a user namespace: without one their trials say the same once more.
  const within = (trouble: string | undefined) => (trial?.userNamespace ? undefined : trouble);
  const works = trial?.by === "lab-room" && trial.mounts === "";
  return [
    condition("any", "Linux", platform === "linux", platform, "Run the lab on Linux, in a virtual machine or with WSL 2 on Windows"),
    // A kernel may have had them given back: then the trial tells.
    condition("any", `Linux ${firstKernel.join(".")} or later`, works || isLate(kernel), kernel, helpWithKernel(kernel)),
    tried("any", "user namespaces", trial?.userNamespace, trial, helpWithNamespaces(facts)),
    tried("any", "mounts of its own", within(trial?.mounts), trial, helpWithNamespaces(facts)),
    tried("any", "network of its own", within(trial?.network), trial, helpWithNamespaces(facts)),
    tried("any", "system call filter", within(trial?.seccomp), trial, "Run a kernel that is built with CONFIG_SECCOMP_FILTER"),
    ...rights(facts),
    tried(
      "full",
      `limits by control groups${facts.cgroups === undefined ? "" : ` of version ${facts.cgroups}`}`,
      trial?.cgroup,
      trial,
      helpWithGroups(facts),
    ),
    ...(facts.uid === 0
      ? [
          tried(
            "full",
            "files mounted under other ids",
            within(trial?.idmap),
            trial,
            "Put the lab's folder (GITOPS_LAB_HOME) on ext4, xfs or btrfs; elsewhere files are handed over by chown, which takes longer",
          ),
        ]
      : []),
    tried(
      "full",
      "/proc of its own",
      within(trial?.proc),
      trial,
      facts.container === "docker" || facts.container === "podman"
        ? "Start the container with `--security-opt systempaths=unconfined`; without it a room has no /proc, which its programs do not need"
        : "Nothing needs to be done: a room without /proc works, its programs do not need it",
    ),
  ];
}

/** Which room a machine can make, and which conditions keep it from a better one. Pure. */
export function roomKind(facts: RoomFacts): { readonly kind: RoomKind; readonly because: readonly RoomCondition[] } {
  const unmet = assessRoom(facts).filter(({ met }) => !met);
  const of = (...kinds: RoomCondition["neededFor"][]) => unmet.filter(({ neededFor }) => kinds.includes(neededFor));
  const seen = (conditions: readonly RoomCondition[]) => conditions.filter(({ untried }) => untried === undefined);
  const any = of("any");
  // What nobody tried is a reason only where there is no other.
  if (any.length > 0) return { kind: "none", because: seen(any).length > 0 ? seen(any) : any };
  return of("root").length > 0 ? { kind: "user", because: seen(of("root", "full")) } : { kind: "root", because: seen(of("full")) };
}

/** What is missing, what was found and what helps, in sentences; what several conditions have in common is said once. */
export function reasons(conditions: readonly RoomCondition[]): string {
  const sentences = [...Map.groupBy(conditions, ({ help }) => help)].flatMap(([help, some]) => [
    ...[...Map.groupBy(some, ({ found }) => found)].map(([found, those]) => `${those.map(({ name }) => name).join(", ")}: ${found}.`),
    ...(help === undefined ? [] : [`${help}.`]),
  ]);
  return sentences.join(" ");
}

function rights(facts: RoomFacts): RoomCondition[] {
  const { uid, capabilities, ids } = facts;
  const root = condition(
    "root",
    "root",
    uid === 0,
    `user ${uid}`,
    "Run the lab as root, which gives every learner a user id that no account has",
  );
  if (uid !== 0) return [root];
  const lacking = Object.entries(neededCapabilities).flatMap(([name, bit]) => ((capabilities >> bit) & 1n ? [] : [name]));
  return [
    root,
    condition(
      "root",
      "capabilities",
      lacking.length === 0,
      lacking.length === 0 ? "all that are needed" : `without ${lacking.join(", ")}`,
      "Start the container with `--privileged`, or give it these",
    ),
    condition(
      "root",
      "user ids that no account has",
      hasRoomIds(facts.ids),
      `there are ${ids.map(([first, last]) => (first === last ? first : `${first} to ${last}`)).join(", ")}`,
      helpWithIds,
    ),
  ];
}

function condition(neededFor: RoomCondition["neededFor"], name: string, met: boolean, found: string, help?: string): RoomCondition {
  return { name, met, found, neededFor, ...(!met && help !== undefined && { help }) };
}

function tried(
  neededFor: RoomCondition["neededFor"],
  name: string,
  trouble: string | undefined,
  trial: RoomTrial | undefined,
  help?: string,
): RoomCondition {
  if (trouble !== undefined) return condition(neededFor, name, trouble === "", trouble === "" ? "tried, works" : trouble, help);
  if (trial?.userNamespace) return { ...condition(neededFor, name, false, "not tried without a user namespace"), untried: true };
  const found = trial === undefined ? "not tried, since there is neither lab-room nor unshare" : "not tried yet";
  return { ...condition(neededFor, name, false, found, "`./lab setup` builds lab-room, which tries it"), untried: true };
}

function isLate(kernel: string): boolean {
  const [major = 0, minor = 0] = kernel.split(".").map((part) => Number.parseInt(part, 10));
  return major > firstKernel[0] || (major === firstKernel[0] && minor >= firstKernel[1]);
}

function helpWithKernel(kernel: string): string {
  if (/-Microsoft$/.test(kernel)) return "This is WSL 1: run `wsl --set-version <distribution> 2` on Windows";
  if (/microsoft/i.test(kernel)) return "Run `wsl --update` on Windows";
  return "Install a later kernel of your system, such as `linux-image-amd64` from the backports of Debian 11, and start it";
}

const privileged =
  "Start the container with `--privileged`, or with `--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined`";
const containerHelp: Readonly<Record<string, string>> = {
  docker: privileged,
  podman: privileged,
  kubernetes: "Give the container `securityContext: {privileged: true}`",
  lxc: "Allow nesting and start the container again: `incus config set <container> security.nesting=true` (LXD: `lxc config set`), `features: nesting=1` with Proxmox, or `lxc.include = /usr/share/lxc/config/nesting.conf`",
};

/** A setting of the kernel that stands in the way comes first: nothing else helps against it. */
function helpWithNamespaces(facts: RoomFacts): string {
  const { uid, settings, container } = facts;
  const set = (name: string, value: number) =>
    `Run \`sudo sysctl -w ${name}=${value}\`${container === undefined ? "" : " on the container's host"}, and write \`${name} = ${value}\` to /etc/sysctl.d/60-gitops-lab.conf there to keep it`;
  if (settings.maxUserNamespaces === 0) return set("user.max_user_namespaces", 15000);
  if (uid !== 0 && settings.unprivilegedUsernsClone === 0) return set("kernel.unprivileged_userns_clone", 1);
  if (uid !== 0 && settings.apparmorRestrictUserns === 1)
    return `${set("kernel.apparmor_restrict_unprivileged_userns", 0)}, or run the lab as root, whom AppArmor does not restrict`;
  if (container !== undefined) return containerHelp[container] ?? `Give the container (${container}) the right to make namespaces`;
  return uid === 0
    ? "Run a kernel that is built with CONFIG_USER_NS, and look in its log for a security module that refuses"
    : "Run the lab as root, or look in the kernel's log for a security module that refuses";
}

function helpWithGroups({ uid, cgroups, container, trial }: RoomFacts): string {
  if (uid === 0) {
    if (/no controller/.test(trial?.cgroup ?? ""))
      return `Add ${cgroups === 2 ? "`cgroup_no_v1=all cgroup_enable=memory`" : "`cgroup_enable=memory`"} to the kernel's command line${container === undefined ? "" : " of the container's host"} and start it again`;
    if (container !== undefined)
      return "Start the container with `--privileged --cgroupns=host`, so that it may make groups beside its own";
    return cgroups === undefined ? "Run `mount -t cgroup2 cgroup2 /sys/fs/cgroup`" : "Run the lab outside of what limits its own group";
  }
  if (cgroups !== 2) return "Run the lab as root: groups of version 1 can't be handed to an ordinary user";
  return "Start the lab by `systemd-run --user --scope -p Delegate=yes ./lab up`, and write `[Service]` and `Delegate=cpu memory pids` to /etc/systemd/system/user@.service.d/gitops-lab.conf where a controller is missing";
}
