import { randomBytes } from "node:crypto";
import { join } from "node:path";
import { labHome } from "../shared/paths.ts";
import { createPrivateFile, makePrivateFolder, readIfExists } from "../shared/private-files.ts";

/**
 * Eight hexadecimal digits that this lab home made up for itself: by them it knows again what it made where others have things
 * of the same names. They go with the lab home.
 */
export async function labMark(): Promise<string> {
  await makePrivateFolder(labHome());
  const file = join(labHome(), "mark");
  // Its name when only repositories carried it.
  const earlier = await readIfExists(join(labHome(), "github-mark"));
  await createPrivateFile(file, earlier ?? randomBytes(4).toString("hex"));
  return (await readIfExists(file)) ?? "";
}
