import { Document, isMap, parseDocument, type ParseOptions, type DocumentOptions } from "yaml";
import { messageOf } from "./errors.ts";
import { textFault } from "./person-text.ts";
import { excerpt } from "./printable.ts";

/** Larger than any file of YAML that people write by hand. */
const largestCharacters = 256 * 1024;

// Its warnings would go to our own standard error, with the words of whoever wrote the file.
const options: ParseOptions & DocumentOptions = { logLevel: "error" };

/**
 * The content of YAML that somebody else wrote, or a clause that says what is wrong with it ("is not valid YAML: ..."). Never
 * throws: aliases without end, nesting without end and tags of other languages are problems like any other.
 */
export function readYaml(text: string, most: number = largestCharacters): { readonly content: unknown } | { readonly problem: string } {
  if (text.length > most) return { problem: `is larger than ${most / 1024} KiB` };
  const fault = textFault(text);
  if (fault !== undefined) return { problem: fault };
  try {
    const document = parseDocument(text, options);
    const [error] = document.errors;
    return error === undefined ? { content: document.toJS() } : { problem: invalid(error) };
  } catch (error) {
    return { problem: invalid(error) };
  }
}

/** Somebody else's YAML, ready to be changed, with its comments; an empty document if it is no readable map. */
export function editableYaml(text: string): Document {
  if (!("content" in readYaml(text))) return new Document({});
  const document = parseDocument(text, options);
  return isMap(document.contents) ? document : new Document({});
}

function invalid(error: unknown): string {
  const [line = ""] = messageOf(error).split("\n");
  return `is not valid YAML: ${excerpt(line.replace(/:$/, ""), 200)}`;
}
