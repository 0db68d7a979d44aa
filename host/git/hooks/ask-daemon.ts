import { request } from "node:http";
import { text } from "node:stream/consumers";

/*
 * What the hooks `pre-receive` and `post-receive` run (githooks(5)): it hands the push to the daemon that serves it and
 * shows the pusher what the daemon says. The first argument names the hook; its exit code decides over a `pre-receive`.
 */
const hook = process.argv[2];
const { GITOPS_LAB_HOOKS: socketPath, GITOPS_LAB_PUSH: push = "{}" } = process.env;
// Where Git keeps the objects of a push that is not accepted yet.
const quarantine = Object.fromEntries(
  ["GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_QUARANTINE_PATH"].flatMap((name) =>
    process.env[name] === undefined ? [] : [[name, process.env[name]]],
  ),
);
const lines = (await text(process.stdin)).split("\n").filter((line) => line !== "");
const refs = lines.map((line) => {
  const [oldOid, newOid, ref] = line.split(" ");
  return { ref, oldOid, newOid };
});

const outgoing = request(
  { socketPath, agent: false, method: "POST", path: `/hooks/${hook}`, headers: { "content-type": "application/json" } },
  (response) => {
    // 200 accepts, 409 refuses; what is said reaches the pusher as lines that begin with "remote:".
    process.exitCode = response.statusCode === 200 ? 0 : 1;
    response.pipe(process.stdout);
  },
);
outgoing.on("error", () => {
  // Why, with the path of its socket, is not for the pusher.
  console.error(
    hook === "pre-receive"
      ? "The lab does not answer, so nothing was accepted. Push again in a minute; if it stays so, tell your instructor."
      : "The push was accepted, but the lab does not answer. What it asks for is done when the lab is back.",
  );
  process.exitCode = 1;
});
outgoing.end(JSON.stringify({ ...JSON.parse(push), refs, quarantine }));
