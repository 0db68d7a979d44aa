import { callersEnvironment } from "../../shared/environment.ts";
import { pulumiEnvironment } from "../../tools/environment.ts";
import { print } from "../terminal.ts";

/** Variables that make Pulumi, or the program that it runs, behave in another way. */
const misleading = /^(PULUMI|NODE)_/;

/** Prints shell lines that make plain `pulumi` work here: `eval "$(./lab env)"`. Names files, holds no secret. */
export async function env(): Promise<void> {
  const [caller, environment] = [callersEnvironment(), await pulumiEnvironment()];
  for (const [name, value] of Object.entries(environment)) {
    if (caller[name] !== value) print(`export ${name}='${value.replaceAll("'", String.raw`'\''`)}'`);
  }
  for (const name of Object.keys(caller)) if (misleading.test(name) && environment[name] === undefined) print(`unset ${name}`);
}
