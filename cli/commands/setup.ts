import { setupTools } from "../../tools/install.ts";
import { progressLines } from "../../tools/progress.ts";

/** Installs whatever tool is missing. Says nothing when all are there. */
export async function setup(): Promise<void> {
  const lines = progressLines(process.stderr);
  try {
    await setupTools({ onProgress: lines.show });
  } finally {
    lines.close();
  }
}
