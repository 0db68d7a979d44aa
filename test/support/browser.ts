import { access, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { chromium, type BrowserContext, type BrowserContextOptions } from "playwright-core";
import { run } from "../../shared/exec.ts";

const executable = "/usr/bin/chromium";

/** Makes sure that Debian's Chromium is there; installs it where that may be done. Throws with what to do otherwise. */
export async function requireChromium(): Promise<void> {
  if (await isThere()) return;
  if (process.getuid?.() === 0) {
    const env = { DEBIAN_FRONTEND: "noninteractive" };
    const install = () => run("apt-get", ["install", "-y", "--no-install-recommends", "chromium"], { env, reject: false });
    if ((await install()).exitCode !== 0) {
      await run("apt-get", ["update"], { env, reject: false });
      await install();
    }
  }
  if (!(await isThere()))
    throw new Error(
      `The browser tests drive ${executable}, which is missing. Install it with \`sudo apt-get install -y --no-install-recommends chromium\`.`,
    );
}

const isThere = () =>
  access(executable).then(
    () => true,
    () => false,
  );

/** A browser with a profile of its own, which goes with it, and which talks to nobody but the page's server. */
export async function openBrowser(options: BrowserContextOptions): Promise<BrowserContext & AsyncDisposable> {
  const profile = await mkdtemp(join(tmpdir(), "gitops-lab-browser-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: executable,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    ...options,
  });
  return Object.assign(context, {
    async [Symbol.asyncDispose]() {
      await context.close();
      await rm(profile, { recursive: true, force: true });
    },
  });
}
