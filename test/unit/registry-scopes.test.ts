import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grantedAccess } from "../../host/registry/tokens.ts";

describe("a registry token grants", () => {
  test("pull and push of the learner's own path to who may write", () => {
    expect(grantedAccess(["repository:ada/backend:pull,push"], "ada", "write")).toEqual([
      { type: "repository", name: "ada/backend", actions: ["pull", "push"] },
    ]);
  });

  test("no more than was asked for, and no more than is permitted", () => {
    expect(grantedAccess(["repository:ada/backend:pull"], "ada", "write")[0]?.actions).toEqual(["pull"]);
    expect(grantedAccess(["repository:ada/backend:pull,push,delete,*"], "ada", "read")[0]?.actions).toEqual(["pull"]);
    expect(grantedAccess(["repository:ada/backend:delete"], "ada", "write")[0]?.actions).toEqual([]);
  });

  test("each of several scopes, repeated or in one string", () => {
    const names = (scopes: string[]) => grantedAccess(scopes, "ada", "write").map(({ name }) => name);
    expect(names(["repository:ada/a:pull", "repository:bob/b:pull", "repository:ada/c:pull"])).toEqual(["ada/a", "ada/c"]);
    expect(names(["repository:ada/a:pull repository:ada/b:push"])).toEqual(["ada/a", "ada/b"]);
  });

  test.each([
    "repository:bob/backend:pull",
    "repository:ada:pull",
    "repository:adaline/backend:pull",
    "registry:catalog:*",
    "repository(plugin):ada/x:pull",
    "repository:ada/x",
    "",
  ])("nothing for %j", (scope) => expect(grantedAccess([scope], "ada", "write")).toEqual([]));

  test("never anything outside of the learner's path, whatever is asked", () => {
    const word = fc.constantFrom(
      "ada",
      "bob",
      "ada/",
      "/",
      "..",
      ":",
      " ",
      ",",
      "repository",
      "registry",
      "catalog",
      "pull",
      "push",
      "delete",
      "*",
    );
    const scope = fc.oneof(
      fc.string(),
      fc.array(word).map((words) => words.join("")),
      fc.tuple(word, word, word).map((words) => words.join(":")),
    );
    fc.assert(
      fc.property(fc.array(scope), (scopes) => {
        for (const { type, name, actions } of grantedAccess(scopes, "ada", "write")) {
          expect(type).toBe("repository");
          expect(name.startsWith("ada/")).toBe(true);
          for (const action of actions) expect(["pull", "push"]).toContain(action);
        }
      }),
    );
  });
});
