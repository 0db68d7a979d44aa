import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import type { BrowserContext, Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBrowser, requireChromium } from "../support/browser.ts";
import { FakeCohort, serveCohort, type RunningDashboard } from "../support/dashboard-cohort.ts";
import { archiveSource } from "../../dashboard/archive-source.ts";
import { readArchivedCourse } from "../../cli/course/archived-course.ts";
import { writeArchivedCourse } from "../support/archived-course.ts";
import { useLabHome } from "../support/lab-home.ts";

const home = useLabHome();
const screenshots = join(import.meta.dirname, "../../test-results/dashboard");
const cohort = new FakeCohort("autumn", 50);
let dashboard: RunningDashboard;
let archive: RunningDashboard;
beforeAll(async () => {
  await requireChromium();
  await mkdir(screenshots, { recursive: true });
  dashboard = await serveCohort(cohort);
  const file = join(home(), "spring.tar.gz");
  await writeArchivedCourse(file, "spring", 12);
  archive = await serveCohort(archiveSource(await readArchivedCourse(file, undefined)));
}, 300_000);
afterAll(async () => {
  await dashboard?.[Symbol.asyncDispose]();
  await archive?.[Symbol.asyncDispose]();
});

/** Comes in and notes whatever goes wrong in the page or leaves the machine. */
async function comeIn(
  browser: BrowserContext,
  visitor: Parameters<RunningDashboard["entry"]>[0],
  to: RunningDashboard = dashboard,
): Promise<{ page: Page; faults: string[] }> {
  const page = await browser.newPage();
  const faults: string[] = [];
  page.on("console", (line) => line.type() === "error" && faults.push(line.text()));
  page.on("pageerror", (error) => faults.push(error.message));
  page.on("request", (request) => !request.url().startsWith(to.origin) && faults.push(`fetches ${request.url()}`));
  await page.goto(await to.entry(visitor));
  await page.waitForURL(`${to.origin}${visitor.role === "instructor" ? "/" : "/me"}`);
  return { page, faults };
}

const instructor = { role: "instructor" } as const;

async function expectAccessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(
    violations.map(
      ({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html.slice(0, 150)} ${failureSummary ?? ""}`).join("\n")}`,
    ),
  ).toEqual([]);
}

async function expectNoSidewaysScroll(page: Page): Promise<void> {
  const [content = 0, window = 0] = await page.evaluate<number[]>(
    "[document.documentElement.scrollWidth, document.documentElement.clientWidth]",
  );
  expect(content).toBeLessThanOrEqual(window);
}

describe.each([1280, 390] as const)("at %i px", { timeout: 120_000 }, (width) => {
  describe.each(["light", "dark"] as const)("%s", (colorScheme) => {
    const shot = (page: Page, name: string) =>
      page.screenshot({ path: join(screenshots, `${name}-${width}-${colorScheme}.png`), fullPage: true });
    const options = { viewport: { width, height: 900 }, colorScheme };

    test("the overview, a learner and their handout are whole and accessible", async () => {
      await using browser = await openBrowser(options);
      const { page, faults } = await comeIn(browser, instructor);
      await page.getByText("Live", { exact: true }).waitFor();
      expect(await page.locator("tbody tr").count()).toBe(50);
      await expectNoSidewaysScroll(page);
      await shot(page, "overview");
      await expectAccessible(page);

      await page.getByRole("link", { name: "Ada Lovelace" }).first().click();
      await page.getByRole("heading", { name: "Promotion timeline" }).waitFor();
      await expectNoSidewaysScroll(page);
      await shot(page, "learner");
      await expectAccessible(page);

      await page.getByRole("link", { name: "Reset the lab" }).click();
      await page.getByRole("heading", { name: "Reset the lab of Ada Lovelace" }).waitFor();
      expect(await page.getByText("repository.bundle").isVisible()).toBe(true);
      await expectNoSidewaysScroll(page);
      await shot(page, "reset");
      await expectAccessible(page);
      expect(faults).toEqual([]);
    });

    test("an archive says that it is one, is whole and accessible, and offers nothing to do", async () => {
      await using browser = await openBrowser(options);
      const { page, faults } = await comeIn(browser, instructor, archive);
      expect(await page.locator("tbody tr").count()).toBe(12);
      expect(await page.getByRole("complementary", { name: "Archive" }).textContent()).toContain("This course is over");
      await expectNoSidewaysScroll(page);
      await shot(page, "archive");
      await expectAccessible(page);
      await page.getByRole("link", { name: "Ada Lovelace" }).first().click();
      await page.getByRole("heading", { name: "Promotion timeline" }).waitFor();
      expect(await page.getByRole("button").allTextContents()).toEqual(["Sign out"]);
      await expectNoSidewaysScroll(page);
      await shot(page, "archived-learner");
      await expectAccessible(page);
      await page.getByRole("link", { name: "archived" }).click();
      await page.getByRole("heading", { level: 1 }).first().waitFor();
      expect(faults).toEqual([]);
    });

    test("a learner's page and quiz are whole and accessible", async () => {
      await using browser = await openBrowser(options);
      const { page, faults } = await comeIn(browser, { role: "learner", learner: "grace" });
      await page.getByRole("heading", { name: "Checklist" }).waitFor();
      expect(await page.content()).not.toContain("Lovelace");
      await expectNoSidewaysScroll(page);
      await shot(page, "own");
      await expectAccessible(page);
      await page.getByRole("link", { name: "Take the quiz" }).click();
      await page.getByRole("heading", { name: "Quiz" }).waitFor();
      await expectNoSidewaysScroll(page);
      await shot(page, "quiz");
      await expectAccessible(page);
      expect(faults).toEqual([]);
    });
  });
});

describe("in the browser", () => {
  test("a row follows what happens, and keeps the focus that is in it", async () => {
    await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
    const { page, faults } = await comeIn(browser, instructor);
    await page.getByText("Live", { exact: true }).waitFor();
    const link = page.locator("#link-alan");
    await link.focus();
    cohort.change("alan", { usage: { pssBytes: 7 * 1024 ** 3, cpuShare: 0.5 } });
    await page.locator("#row-alan").getByText("7.0 GiB").waitFor();
    expect(await page.evaluate("document.activeElement.id")).toBe("link-alan");
    expect(faults).toEqual([]);
  });

  test("a learner's page follows as well, and keeps the table open", async () => {
    await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
    const { page } = await comeIn(browser, { role: "learner", learner: "radia" });
    await page.getByText("Live", { exact: true }).waitFor();
    expect(cohort.of("radia")?.job).toBeUndefined();
    await page.getByText("The timeline as a table").click();
    cohort.change("radia", { job: { kind: "verify", what: "Verify", startedAt: new Date().toISOString(), state: "done", says: "News." } });
    await page.getByText("News.").waitFor();
    expect(await page.getByRole("region", { name: "Promotion timeline, as a table" }).isVisible()).toBe(true);
  });

  test("the keyboard alone opens a learner, starts an action and shows where it is", async () => {
    await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
    const { page, faults } = await comeIn(browser, instructor);
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the content");
    await page.keyboard.press("Enter");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")).toBe("solid");
    await page.keyboard.press("Enter");
    await page.waitForURL("**/learners/ada");
    await page.locator("#do-pause").focus();
    await page.keyboard.press("Enter");
    await page.getByText("All is well.").waitFor();
    expect(cohort.acts.at(-1)).toEqual({ learner: "ada", action: { kind: "pause" } });
    expect(faults).toEqual([]);
  });

  test("a lab is reset after it was asked whether to, and not by turning away", async () => {
    await using browser = await openBrowser({ viewport: { width: 1280, height: 900 } });
    const { page, faults } = await comeIn(browser, instructor);
    await page.goto(`${dashboard.origin}/learners/barbara`);
    await page.getByRole("link", { name: "Reset the lab" }).click();
    await page.getByRole("link", { name: "Cancel" }).click();
    await page.waitForURL("**/learners/barbara");
    expect(cohort.acts.filter(({ action }) => action.kind === "reset")).toEqual([]);
    await page.getByRole("link", { name: "Reset the lab" }).click();
    await page.getByRole("button", { name: "Reset the lab of Barbara Liskov" }).click();
    await page.waitForURL("**/learners/barbara");
    expect(cohort.acts.at(-1)).toEqual({ learner: "barbara", action: { kind: "reset" } });
    expect(faults).toEqual([]);
  });

  test("a learner takes the quiz", async () => {
    await using browser = await openBrowser({ viewport: { width: 390, height: 800 } });
    const { page, faults } = await comeIn(browser, { role: "learner", learner: "donald" });
    await page.getByRole("link", { name: "Take the quiz" }).click();
    await page.getByRole("radio").first().check();
    await page.getByRole("button", { name: "Send the answers" }).click();
    await page.getByText("It is recorded.").waitFor();
    await expectAccessible(page);
    expect(faults).toEqual([]);
  });

  test("who has signed out sees nothing more", async () => {
    await using browser = await openBrowser({});
    const { page } = await comeIn(browser, instructor);
    const saved = await browser.cookies();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByText("Signed out").waitFor();
    await browser.addCookies(saved);
    await page.goto(dashboard.origin);
    await page.getByText("Not signed in").waitFor();
  });

  test("without a script the pages are whole", async () => {
    await using browser = await openBrowser({ javaScriptEnabled: false });
    const { page } = await comeIn(browser, instructor);
    expect(await page.locator("tbody tr").count()).toBe(50);
    await page.getByRole("link", { name: "Grace Hopper" }).first().click();
    await page.getByRole("button", { name: "Verify now" }).click();
    await page.getByText("All is well.").waitFor();
  });
});
