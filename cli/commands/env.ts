import { pulumiEnvironment } from "../../tools/environment.ts";
import { print } from "../terminal.ts";

/** Prints shell lines that make plain `pulumi` work here: `eval "$(./lab env)"`. Names files, holds no secret. */
export async function env(): Promise<void> {
  const environment = await pulumiEnvironment();
  for (const [name, value] of Object.entries(environment)) {
    if (process.env[name] !== value) print(`export ${name}='${value.replaceAll("'", String.raw`'\''`)}'`);
  }
}
