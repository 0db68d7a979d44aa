import { styleText } from "node:util";

type Style = Parameters<typeof styleText>[0];

/** Colours text for a stream: only where it is a terminal and NO_COLOR does not object. */
export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return styleText(style, text, { stream, validateStream: true });
}

type Around = (write: () => void) => void;
const plainly: Around = (write) => write();
let around = plainly;

/** While a display holds the bottom of the terminal, all that is printed goes through it. Returns how to end that. */
export function withDisplay(display: Around): () => void {
  around = display;
  return () => {
    around = plainly;
  };
}

let whenReaderGone = (): void => process.exit();

/** What to do when nobody reads standard output any more, instead of ending at once. Returns how to undo that. */
export function onReaderGone(action: () => void): () => void {
  const before = whenReaderGone;
  whenReaderGone = action;
  return () => {
    whenReaderGone = before;
  };
}

export function readerGone(): void {
  whenReaderGone();
}

/** A result, on standard output. */
export function print(text: string): void {
  around(() => process.stdout.write(`${text}\n`));
}

/** Progress and remarks, on standard error, so that standard output stays a result. */
export function note(text: string): void {
  around(() => process.stderr.write(`${text}\n`));
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** `4.2 s` or `1 min 5 s`. */
export function duration(milliseconds: number): string {
  const seconds = milliseconds / 1000;
  return seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;
}
