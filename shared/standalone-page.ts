import { html, raw } from "hono/html";

/** What `html` of hono gives. */
type Html = ReturnType<typeof html>;

export interface StandalonePage {
  /** As text. */
  readonly title: string;
  readonly style: string;
  readonly main: Html | readonly Html[];
}

/** A page that stands alone: it fetches nothing and runs no script, which its policy holds even against a fault in what is in it. */
export function standalonePage({ title, style, main }: StandalonePage): string {
  const page = html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<title>${title}</title>
<style>${raw(style)}</style>
</head>
<body>
<main>
${main}</main>
</body>
</html>
`;
  return String(page);
}
