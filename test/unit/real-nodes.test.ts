import { describe, expect, test } from "vitest";
import { cgroupAt, limits } from "../../host/room/cgroups.ts";
import { containerdConfiguration } from "../../clusters/embedded/node/containerd.ts";
import { firewall } from "../../clusters/embedded/node/network.ts";
import { troubleOfHierarchies, troubleOfRoot, type RootGroup } from "../../host/room/trials.ts";
import { assess, type HostFacts } from "../../clusters/embedded/node/preflight.ts";

const able: HostFacts = {
  platform: "linux",
  arch: "x64",
  uid: 0,
  capabilities: (1n << 41n) - 1n,
  namespaces: "",
  overlay: "",
  cgroups: "",
  missingPrograms: [],
  canFetchPackages: false,
};

describe("the preflight", () => {
  test("is content with a machine that has everything", () => {
    expect(assess(able).filter(({ met }) => !met)).toEqual([]);
  });

  test.each<[string, Partial<HostFacts>, string, RegExp]>([
    ["another system", { platform: "darwin" }, "Linux on x64 or arm64", /darwin/],
    ["another processor", { arch: "riscv64" }, "Linux on x64 or arm64", /riscv64/],
    ["an ordinary user", { uid: 1000 }, "root", /user 1000/],
    ["a container without privileges", { capabilities: 0xa80425fbn }, "capabilities", /CAP_SYS_ADMIN, CAP_NET_ADMIN/],
    ["no right to namespaces", { namespaces: "unshare failed: Operation not permitted" }, "namespaces", /not permitted/],
    ["no overlayfs", { overlay: "unknown filesystem type 'overlay'" }, "overlayfs", /unknown filesystem/],
    ["read-only control groups", { cgroups: "EROFS: read-only file system" }, "control groups", /read-only/],
    ["no runtime and no packages", { missingPrograms: ["containerd", "runc"] }, "container runtime", /no containerd, runc, and no apt-get/],
  ])("names the condition that %s lacks, and no other", (_, facts, name, found) => {
    expect(assess({ ...able, ...facts }).filter(({ met }) => !met)).toEqual([{ name, met: false, found: expect.stringMatching(found) }]);
  });

  test("takes packages that can be fetched for good", () => {
    expect(assess({ ...able, missingPrograms: ["runc"], canFetchPackages: true }).every(({ met }) => met)).toBe(true);
  });
});

const version1 = [
  "25 1 0:22 / /sys/fs/cgroup rw - tmpfs tmpfs rw",
  "26 25 0:23 / /sys/fs/cgroup/memory rw,nosuid - cgroup cgroup rw,memory",
  "27 25 0:24 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
  "28 25 0:25 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
].join("\n");

/** As Debian 12 has it. */
const systemdRoot: RootGroup = {
  controllers: ["cpuset", "cpu", "io", "memory", "hugetlb", "pids", "rdma", "misc"],
  handedDown: ["cpu", "memory", "pids"],
  isMachines: true,
  hasProcesses: true,
};

describe("a learner's control group", () => {
  test("is below the caller's own with version 1, in every hierarchy that is mounted", () => {
    const own = "5:memory:/session\n4:cpu,cpuacct:/\n3:pids:/not-mounted\n0::/";
    expect(cgroupAt("lab/ada", own, version1)).toEqual({
      version: 1,
      folders: { memory: "/sys/fs/cgroup/memory/session/lab/ada", "cpu,cpuacct": "/sys/fs/cgroup/cpu,cpuacct/lab/ada" },
    });
  });

  test("is found within a container that sees only its own groups", () => {
    const inContainer = version1.replace("0:23 / ", "0:23 /docker/abc ");
    expect(cgroupAt("lab/ada", "5:memory:/docker/abc/deeper\n", inContainer).folders).toEqual({
      memory: "/sys/fs/cgroup/memory/deeper/lab/ada",
    });
  });

  test("is below the root with version 2", () => {
    expect(cgroupAt("lab/ada", "0::/user.slice/session", "30 1 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw")).toEqual({
      version: 2,
      folders: { unified: "/sys/fs/cgroup/lab/ada" },
    });
  });

  test("is below the root with version 2, also where old controllers are mounted elsewhere", () => {
    const mixed = [
      "30 1 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate,memory_recursiveprot",
      "31 1 0:27 / /run/net-classes rw - cgroup net_cls rw,net_cls",
    ].join("\n");
    expect(cgroupAt("lab/ada", "1:net_cls:/\n0::/system.slice/lab.service", mixed)).toEqual({
      version: 2,
      folders: { unified: "/sys/fs/cgroup/lab/ada" },
    });
  });

  test("has no place in a hierarchy of version 2 beside those of version 1", () => {
    const hybrid = [version1, "29 25 0:26 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd"].join("\n");
    expect(cgroupAt("lab/ada", "5:memory:/\n1:name=systemd:/user.slice/session-1.scope\n0::/user.slice/session-1.scope", hybrid)).toEqual({
      version: 1,
      folders: { memory: "/sys/fs/cgroup/memory/lab/ada", "name=systemd": "/sys/fs/cgroup/systemd/user.slice/session-1.scope/lab/ada" },
    });
  });

  test("needs its controllers", () => {
    expect(troubleOfRoot({ ...systemdRoot, controllers: ["cpu", "pids"] })).toBe("no controller cpuset, memory");
    expect(troubleOfHierarchies({ folders: { memory: "", "cpu,cpuacct": "", cpuset: "", devices: "" } })).toBe("no controller pids");
    expect(troubleOfHierarchies({ folders: { memory: "", "cpu,cpuacct": "", cpuset: "", devices: "", pids: "" } })).toBe("");
  });

  test.each<[string, Partial<RootGroup>, string]>([
    ["under systemd", {}, ""],
    ["on a machine whose root hands nothing down yet", { handedDown: [] }, ""],
    ["in a container whose init has left the root", { isMachines: false, hasProcesses: false, handedDown: [] }, ""],
    ["in a container in which others have seen to it", { isMachines: false, handedDown: ["cpuset", "cpu", "memory", "pids"] }, ""],
    ["in a container with processes in its root", { isMachines: false, handedDown: ["cpuset", "pids"] }, "cannot hand cpu, memory down"],
  ])("can be limited with version 2, or it is said why not: %s", (_, more, trouble) => {
    expect(troubleOfRoot({ ...systemdRoot, ...more })).toContain(trouble);
    expect(troubleOfRoot({ ...systemdRoot, ...more }) === "").toBe(trouble === "");
  });

  test("limits memory, processes and processors in the words of either version", () => {
    const most = { memory: 4294967296, cpu: 16, pids: 4096 };
    expect(limits(2, 2, most)).toEqual({ "memory.max": "4294967296", "pids.max": "4096", "cpu.max": "180000 100000" });
    expect(limits(1, 2, most)).toMatchObject({ "memory.limit_in_bytes": "4294967296", "cpu.cfs_quota_us": "180000" });
    expect(limits(2, 2, { ...most, cpu: 0.5 })).toMatchObject({ "cpu.max": "50000 100000" });
  });
});

test("the runtime's configuration takes any password as text", () => {
  const text = containerdConfiguration({ registry: "127.0.0.1:5000", username: "ada.flux", password: 'a"b\\c', pauseImage: "pause:1" });
  expect(text).toContain(String.raw`password = "a\"b\\c"`);
  expect(text).toContain('registry.mirrors."127.0.0.1:5000"]');
});

test("the firewall lets pods to the API server and DNS and drops what it does not name", () => {
  const rules = firewall(20001).split("\n");
  expect(rules.filter((rule) => /dport/.test(rule)).map((rule) => /--dport (\d+)/.exec(rule)?.[1])).toEqual(["20001", "53", "53"]);
  expect(rules).toEqual(expect.arrayContaining([":INPUT DROP [0:0]", ":FORWARD DROP [0:0]"]));
});
