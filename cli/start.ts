import { damagedPackage, damagedSentence } from "./damaged-packages.ts";

/* Where `lab` begins: main.ts and all that it imports can be loaded only where the npm packages are whole. */
try {
  await import("./main.ts");
} catch (error) {
  const name = damagedPackage(error);
  if (name === undefined) throw error;
  process.stderr.write(`error: ${damagedSentence(name)} [packages-damaged]\n`);
  process.exitCode = 2;
}
