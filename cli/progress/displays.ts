import { createLogUpdate } from "log-update";
import { duration, note, paint, print, withDisplay } from "../terminal.ts";
import type { Action, ProgressEvent } from "./events.ts";
import { countLine, liveLines, stepText, type LiveLine } from "./live-view.ts";
import type { RunView } from "./model.ts";
import { phases } from "./steps.ts";

/** Shows a run while it goes on. */
export interface Display {
  /** An event, after the model has taken it. */
  readonly show: (event: ProgressEvent, view: RunView) => void;
  /** Called several times a second. */
  readonly tick: (view: () => RunView) => void;
  readonly close: () => void;
}

/** The display a run asks for: events for programs, lines in place on a terminal, a log elsewhere. */
export function chooseDisplay(json: boolean, learners: readonly string[]): Display {
  if (json) return jsonDisplay();
  return process.stderr.isTTY && process.env["TERM"] !== "dumb" ? liveDisplay(process.stderr) : logDisplay(learners);
}

/** One line of JSON per event on standard output. */
function jsonDisplay(): Display {
  const toTheMillisecond = (_key: string, value: unknown) => (typeof value === "number" ? Math.round(value * 1000) / 1000 : value);
  return { show: (event) => print(JSON.stringify(event, toTheMillisecond)), tick: () => {}, close: () => {} };
}

const verbs: Readonly<Record<Action, readonly [doing: string, done: string]>> = {
  create: ["create", "created"],
  update: ["update", "updated"],
  delete: ["delete", "deleted"],
  replace: ["replace", "replaced"],
  do: ["", "done"],
};

/** How many steps a line of waiting names. */
const namedAtMost = 3;

/** Milliseconds after which a log tells again that tools are awaited, which are built for minutes each. */
const toolsQuietMs = 28_000;

/** A line on standard error per step as it begins and ends, and one that tells what is awaited while nothing happens. */
export function logDisplay(learners: readonly string[]): Display {
  const width = Math.max(6, ...learners.map((id) => id.length));
  let interrupted = false;
  let toldAt = 0;
  return {
    show(event, view) {
      const now = Date.parse(event.time);
      const tell = (text: string) => {
        toldAt = now;
        note(`  ${text}`);
      };
      const line = (learner: string | null, text: string) => tell(`${(learner ?? "cohort").padEnd(width)}  ${text}`);
      // What the cohort waits for as a whole is told when it takes long; tools always take long.
      if ("action" in event && event.action === "do" && !(event.event === "step-started" && event.step === phases.tools.step)) return;
      switch (event.event) {
        case "step-started":
          return line(event.learner, paint("dim", `${verbs[event.action][0]} ${event.title}`.trimStart(), process.stderr));
        case "step-done":
          return line(
            event.learner,
            `${paint("green", `${event.title} ${verbs[event.action][1]}`, process.stderr)} (${duration(event.seconds * 1000)})`,
          );
        case "interrupted":
          interrupted = true;
          return;
        case "step-failed":
          return line(
            event.learner,
            `${paint("red", `${event.title} ${interrupted ? "not finished" : "failed"}`, process.stderr)} (${duration(event.seconds * 1000)})`,
          );
        case "waiting":
          if (event.for.length > 0 && event.for.every(({ step }) => step === phases.tools.step) && now - toldAt < toolsQuietMs) return;
          return tell(paint("dim", waitingLine(event, view), process.stderr));
      }
    },
    tick() {},
    close() {},
  };
}

function waitingLine({ for: steps }: Extract<ProgressEvent, { event: "waiting" }>, view: RunView): string {
  const named = steps.slice(0, namedAtMost).map((step) => `${step.learner ?? "cohort"}: ${stepText(step)}`);
  const more = steps.length > namedAtMost ? [`${steps.length - namedAtMost} more`] : [];
  return `waiting for ${[...named, ...more].join("; ") || "the next step"}. ${countLine(view)}`;
}

/** Lines at the bottom of a terminal, drawn anew in place; what is noted meanwhile stands above them. */
export function liveDisplay(stream: NodeJS.WriteStream): Display {
  // The cursor stays: a killed run can't bring it back.
  const draw = createLogUpdate(stream, { showCursor: true });
  let last: RunView | undefined;
  let drawn: readonly LiveLine[] = [];
  const columns = () => stream.columns || 80;
  const redraw = () => {
    if (last === undefined) return;
    const lines = liveLines(last, { columns: columns(), rows: stream.rows || 24 });
    drawn = lines;
    draw(lines.map(({ text, style }) => (style === "none" ? text : paint(style, text, stream))).join("\n"));
  };
  // A terminal that becomes narrower breaks the lines that are there, so they take more rows than were drawn.
  const onResize = () => {
    const rows = drawn.reduce((sum, { text }) => sum + Math.max(1, Math.ceil(text.length / columns())), 0);
    stream.moveCursor(0, -rows);
    stream.cursorTo(0);
    stream.clearScreenDown();
    draw.done();
    redraw();
  };
  stream.on("resize", onResize);
  const release = withDisplay((write) => {
    draw.clear();
    write();
    redraw();
  });
  return {
    show(_event, view) {
      last = view;
      redraw();
    },
    tick(view) {
      last = view();
      redraw();
    },
    close() {
      stream.off("resize", onResize);
      release();
      draw.clear();
    },
  };
}
