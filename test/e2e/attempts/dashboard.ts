import { waitUntil } from "../../../shared/wait.ts";
import { http } from "./images.ts";
import type { Ground } from "./ground.ts";

/** The cohort's dashboard, as an instructor starts it, and ada's way in. */
export class Dashboard {
  readonly origin: string;
  /** Ada's session. */
  readonly cookie: string;
  readonly #stop: () => void;
  readonly #ground: Ground;

  private constructor(ground: Ground, origin: string, cookie: string, stop: () => void) {
    this.#ground = ground;
    this.origin = origin;
    this.cookie = cookie;
    this.#stop = stop;
  }

  static async open(ground: Ground): Promise<Dashboard> {
    const server = ground.cohort.startLab("dashboard", ground.cohort.name, "--port", "0");
    const stop = () => void (server.pid !== undefined && process.kill(-server.pid, "SIGTERM"));
    server.catch(() => undefined);
    const link = await linkOf(ground);
    const { origin, pathname, search } = new URL(link);
    const { headers } = await http("GET", origin, `${pathname}${search}`);
    const [cookie = ""] = String(headers["set-cookie"] ?? "").split(";");
    if (cookie === "") throw new Error("the dashboard let ada not in");
    return new Dashboard(ground, origin, cookie, stop);
  }

  /** A fresh link for ada. */
  link(): Promise<string> {
    return linkOf(this.#ground);
  }

  close(): void {
    this.#stop();
  }
}

async function linkOf(ground: Ground): Promise<string> {
  return waitUntil(
    async () => {
      const { exitCode, stdout, stderr } = await ground.cohort.lab("dashboard", ground.cohort.name, "--learner", "ada");
      return exitCode === 0 ? { done: true, value: stdout.trim() } : { done: false, because: stderr };
    },
    { what: "the dashboard to give a link", timeoutSeconds: 60, intervalMs: 500, remedy: "" },
  );
}
