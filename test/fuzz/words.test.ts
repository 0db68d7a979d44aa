import fc from "fast-check";
import { expect, test } from "vitest";
import { learnerOf } from "../../host/access.ts";
import { grantedAccess } from "../../host/registry/tokens.ts";
import { goDurationSeconds } from "../../shared/go-duration.ts";
import { environments } from "../../shared/names.ts";
import { excerpt, printable } from "../../shared/printable.ts";
import { formatTag, newestTag, parseTag } from "../../shared/tags.ts";
import { classify } from "../../verification/bundle/git-chain.ts";
import { formatImage, imageIdDigest, isImmutableTag, parseImage, shortImage } from "../../verification/image-reference.ts";
import { parseJournal } from "../../verification/journal.ts";
import { promotionTrailer, recordPath } from "../../verification/promotion-record.ts";
import { commitNames } from "../../verification/reverts.ts";
import { jsonBombs } from "../support/hostile/bombs.ts";
import { answerOf, forEvery, nothingIsMade } from "../support/hostile/soundness.ts";
import { bent, json, text } from "../support/hostile/text.ts";
import { digestOf, repository, shaOf, tagOf } from "../support/lab-state.ts";

nothingIsMade();

test("tags, images and durations are what they are, or none", async () => {
  const one = fc.oneof(
    text,
    bent(tagOf("staging", "0.2.0"), `${repository}:${tagOf("develop", "0.2.0")}@${digestOf("b")}`, "1h30m", "1.5s"),
  );
  await forEvery(fc.array(one, { minLength: 1, maxLength: 3 }), async (words) => {
    for (const word of words) {
      const tag = await answerOf("parseTag", () => parseTag(word));
      if (tag !== undefined && "version" in tag) expect(formatTag(tag)).toBe(word);
      const image = await answerOf("parseImage", () => parseImage(word));
      if ("repository" in image) expect(word.startsWith(image.repository)).toBe(true);
      const shown = await answerOf("shortImage", () => ("repository" in image ? shortImage(image) + formatImage(image) : ""));
      expect(shown).toBeTypeOf("string");
      const digest = await answerOf("imageIdDigest", () => imageIdDigest(word));
      expect(digest === undefined || /^sha256:[0-9a-f]{64}$/.test(String(digest))).toBe(true);
      for (const environment of environments) expect(isImmutableTag(word, environment)).toBe(parseTag(word)?.environment === environment);
      const seconds = await answerOf("goDurationSeconds", () => goDurationSeconds(word));
      expect(seconds === undefined || (seconds as number) >= 0).toBe(true);
    }
    for (const environment of environments) {
      const newest = await answerOf("newestTag", () => newestTag(words, environment));
      expect(newest === undefined || words.includes(newest as string)).toBe(true);
    }
  });
});

test("a commit is classified, and its message names other commits or none, whatever it is", async () => {
  const message = fc.oneof(
    text,
    bent(`Undo it\n\nThis reverts commit ${shaOf("a")}.\n`, `Update backend\n\n${promotionTrailer}: staging ${shaOf("b")}\n`),
  );
  const paths = fc.array(fc.oneof(text, fc.constantFrom(...environments.map(recordPath))), { maxLength: 3 });
  await forEvery(
    fc.tuple(message, paths, fc.array(text, { maxLength: 2 })),
    async ([body, paths, parents]) => {
      const names = (await answerOf("commitNames", () => commitNames(body))) as string[];
      expect(names.length).toBeLessThanOrEqual(40);
      for (const name of names) expect(name).toMatch(/^[0-9a-f]{4,40}$/);
      const kind = await answerOf("classify", () => classify({ parents, paths }, [], environments));
      expect(["seed", "request", "learner"]).toContain(kind);
    },
    {
      first: [
        [`This reverts commit ${"a".repeat(200_000)}`, [], ["a"]],
        [`${promotionTrailer}: ${"x ".repeat(100_000)}`, [], ["a"]],
      ],
    },
  );
});

test("a note gives the pipeline's entries and nothing else", async () => {
  const lines = [
    { event: "received", at: "2026-11-02T10:00:00.000Z", by: "ada", branch: "main" },
    { event: "built", at: "2026-11-02T10:00:00.000Z", version: "0.2.0", tag: tagOf("develop", "0.2.0"), digest: digestOf("b") },
    { event: "held", at: "2026-11-02T10:00:00.000Z", environment: "staging", tag: "x", reason: "y" },
  ].map((entry) => JSON.stringify(entry));
  const note = fc.oneof(
    bent(lines.join("\n")),
    fc.array(json, { maxLength: 3 }).map((values) => values.map((value) => JSON.stringify(value)).join("\n")),
  );
  await forEvery(
    note,
    async (note) => {
      const entries = await answerOf("parseJournal", () => parseJournal(note));
      for (const entry of entries as ReturnType<typeof parseJournal>) expect(Number.isNaN(Date.parse(entry.at))).toBe(false);
    },
    { first: jsonBombs },
  );
});

test("a token grants a learner's own paths and no other, whatever user name and scopes are sent", async () => {
  const scope = fc.oneof(text, bent("repository:ada/backend:pull,push", "repository:bob/backend:pull", "registry:catalog:*"));
  await forEvery(
    fc.tuple(fc.oneof(text, bent("ada", "ada.flux", "bob.pipeline")), fc.array(scope, { maxLength: 3 })),
    async ([username, scopes]) => {
      const learner = await answerOf("learnerOf", () => learnerOf(username));
      if (learner === undefined || typeof learner !== "string") return;
      expect(learner).toMatch(/^[a-z0-9-]{1,30}$/);
      const granted = await answerOf("grantedAccess", () => grantedAccess(scopes, "ada", "write"));
      for (const { type, name, actions } of granted as ReturnType<typeof grantedAccess>) {
        expect([type, name.startsWith("ada/")]).toEqual(["repository", true]);
        expect(["pull", "push"]).toEqual(expect.arrayContaining([...actions]));
      }
    },
  );
});

test("what others wrote is shown as one line of text, and as much of it as was asked for", async () => {
  await forEvery(
    text,
    (text) => {
      for (const shown of [printable(text), excerpt(text)]) expect(shown).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
      expect(excerpt(text, 20).length).toBeLessThanOrEqual(21);
    },
    {
      first: [
        "\u001b[".repeat(50_000),
        "\u001b]".repeat(200_000),
        `\u001b${";".repeat(100_000)}`,
        `\u001b[${"1;".repeat(100_000)}`,
        `\u009b${"a;".repeat(100_000)}`,
      ],
    },
  );
});
