import { isDeepStrictEqual } from "node:util";
import { setStackConfig } from "../stack-config.ts";
// Back up, and the only import that does: this address is in every state, and the list is above all drivers.
import { loadDriver } from "../../drivers.ts";

/*
 * Pulumi's create, diff, read, update and delete in terms of a driver. What a resource keeps in the state is
 * `{...input, ...output}` without the inputs that matter only at creation.
 */
type State = Readonly<Record<string, unknown>>;

export interface DiffAnswer {
  readonly changes: boolean;
  readonly replaces: string[];
  readonly deleteBeforeReplace: boolean;
}

/** Pulumi gives a dynamic provider the stack's configuration once per process. */
export function configureDrivers(config: { get(name: string): string | undefined }): void {
  setStackConfig((name) => config.get(name));
}

export async function createResource(name: string, input: State): Promise<{ id: string; outs: State }> {
  const driver = await loadDriver(name);
  const { id, output } = await driver.ensure(plain(input));
  return { id, outs: { ...kept(input, driver.creationOnly), ...output } };
}

export async function diffResource(name: string, state: State, input: State): Promise<DiffAnswer> {
  const driver = await loadDriver(name);
  const next = kept(input, driver.creationOnly);
  const keys = new Set([...Object.keys(next), ...(driver.optional ?? [])]);
  const changed = [...keys].filter((key) => !isDeepStrictEqual(next[key], state[key]));
  const replaces = changed.filter((key) => driver.replaceOn.includes(key));
  // The names on the host come from the inputs, so the old one must be gone before the new one is made.
  return { changes: changed.length > 0, replaces, deleteBeforeReplace: true };
}

/** A thing that is gone has no id: that is how Pulumi learns of it. */
export async function readResource(name: string, id: string, state: State): Promise<{ id?: string; props?: State }> {
  const driver = await loadDriver(name);
  const output = await driver.read(id, plain(state));
  return output === undefined ? {} : { id, props: { ...plain(state), ...output } };
}

export async function updateResource(name: string, input: State): Promise<{ outs: State }> {
  return { outs: (await createResource(name, input)).outs };
}

export async function deleteResource(name: string, id: string, state: State): Promise<void> {
  await (await loadDriver(name)).remove(id, plain(state));
}

/** Without `__provider`, the serialized stub that Pulumi keeps among the properties. */
function plain(properties: State): Record<string, unknown> {
  const { __provider, ...rest } = properties;
  return rest;
}

function kept(input: State, creationOnly: readonly string[] = []): Record<string, unknown> {
  return Object.fromEntries(Object.entries(plain(input)).filter(([key]) => !creationOnly.includes(key)));
}
