import { readFileSync } from "node:fs";

/** By a word of ID or ID_LIKE in os-release(5). */
const commands: readonly (readonly [RegExp, string])[] = [
  [/^(debian|ubuntu)$/, "sudo apt-get install -y"],
  [/^(fedora|rhel)$/, "sudo dnf install -y"],
  [/^(suse|opensuse)$/, "sudo zypper install -y"],
  [/^arch$/, "sudo pacman -S --needed"],
  [/^alpine$/, "sudo apk add"],
];

/**
 * How packages are installed on this system, for an error's end: with the command as far as it is known. The script `lab` says
 * the same.
 */
export function installHint(packages: string, platform: string = process.platform, release: string = osRelease()): string {
  const words = [...release.matchAll(/^ID(?:_LIKE)?="?([^"\n]*)"?$/gm)].flatMap(([, ids]) => ids!.split(" "));
  const command = platform === "darwin" ? "brew install" : commands.find(([word]) => words.some((one) => word.test(one)))?.[1];
  return command === undefined ? "Install it with the package manager of your system" : `Install it with \`${command} ${packages}\``;
}

function osRelease(): string {
  try {
    return readFileSync("/etc/os-release", "utf8");
  } catch {
    return "";
  }
}
