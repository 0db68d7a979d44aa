/** The variables that the lab's own processes get of their caller's; Pulumi's (passphrase, plugin sockets) are none of their business. */
export function passedEnvironment(): Record<string, string> {
  const passed = ["PATH", "HOME", "LANG", "GITOPS_LAB_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME", "TMPDIR"];
  return Object.fromEntries(passed.flatMap((name) => (process.env[name] === undefined ? [] : [[name, process.env[name]]])));
}
