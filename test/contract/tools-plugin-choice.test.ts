import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { cacheHome } from "../../shared/paths.ts";
import { readIfExists } from "../../shared/private-files.ts";
import { pluginChoice, tryOfficialPlugin } from "../../tools/plugin-choice.ts";
import { installFolder } from "../../tools/locate.ts";
import { program, useFolders } from "../support/tool-folders.ts";

const newFolder = useFolders();

/** A machine whose engine notes how it is called and installs no plugin. */
async function machine() {
  const env = { XDG_CACHE_HOME: await newFolder(), PULUMI_HOME: await newFolder(), PATH: "/usr/bin:/bin" };
  const { version } = pluginChoice("kubernetes", env);
  const log = join(env.PULUMI_HOME, "log");
  await program(installFolder("pulumi", env), "pulumi", `echo "$*" >>"${log}"; exit 1`);
  const calls = async () => ((await readIfExists(log)) ?? "").split("\n").filter(Boolean);
  return { env, version, calls, tried: join(cacheHome(env), `kubernetes-plugin-${version}-tried`) };
}

test("asks the engine for the plugin of the SDK's version, once a day", async () => {
  const { env, version, calls, tried } = await machine();
  const said: string[] = [];
  await tryOfficialPlugin("kubernetes", (activity) => said.push(activity), env);
  await tryOfficialPlugin("kubernetes", (activity) => said.push(activity), env);
  expect(await calls()).toEqual([`plugin install resource kubernetes v${version}`]);
  expect(said).toEqual(["downloading", expect.stringContaining("fallback")]);

  await writeFile(tried, String(Number(await readFile(tried, "utf8")) - 24 * 60 * 60 * 1000));
  await tryOfficialPlugin("kubernetes", () => {}, env);
  expect(await calls()).toHaveLength(2);
});

test("asks for nothing when the plugin is installed", async () => {
  const { env, version, calls } = await machine();
  await program(join(env.PULUMI_HOME, "plugins", `resource-kubernetes-v${version}`), "pulumi-resource-kubernetes", "exit 1");
  await tryOfficialPlugin("kubernetes", () => {}, env);
  expect(await calls()).toEqual([]);
});
