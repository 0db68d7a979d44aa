/*
 * Prometheus' text format (version 0.0.4 of the exposition formats). Counters and histograms begin anew with their process,
 * which Prometheus expects.
 */

export type Labels = Readonly<Record<string, string>>;

export interface Sample {
  readonly labels?: Labels;
  readonly value: number;
  /** Of a histogram: what follows its name. */
  readonly suffix?: string;
}

export interface Metric {
  /** With its unit, `_total` for a counter. */
  readonly name: string;
  readonly type: "counter" | "gauge" | "histogram";
  /** One line. */
  readonly help: string;
  readonly samples: readonly Sample[];
}

export const metricsType = "text/plain; version=0.0.4; charset=utf-8";

/** Metrics as Prometheus reads them; those without samples are left out. */
export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) =>
      [
        `# HELP ${name} ${help.replaceAll("\\", "\\\\").replaceAll("\n", "\\n")}`,
        `# TYPE ${name} ${type}`,
        ...samples.map(({ suffix = "", labels = {}, value }) => `${name}${suffix}${labelsText(labels)} ${numberText(value)}`),
        "",
      ].join("\n"),
    )
    .join("");
}

function labelsText(labels: Labels): string {
  const all = Object.entries(labels).map(
    ([name, value]) => `${name}="${value.replaceAll("\\", "\\\\").replaceAll("\n", "\\n").replaceAll('"', '\\"')}"`,
  );
  return all.length === 0 ? "" : `{${all.join(",")}}`;
}

const numberText = (value: number) => (value === Infinity ? "+Inf" : value === -Infinity ? "-Inf" : String(value));

/** Counts by labels. */
export class Counter {
  readonly #name: string;
  readonly #help: string;
  readonly #counts = new Map<string, { readonly labels: Labels; value: number }>();

  constructor(name: string, help: string) {
    this.#name = name;
    this.#help = help;
  }

  add(labels: Labels, by = 1): void {
    const key = JSON.stringify(labels);
    const count = this.#counts.get(key);
    if (count === undefined) this.#counts.set(key, { labels, value: by });
    else count.value += by;
  }

  get metric(): Metric {
    return { name: this.#name, help: this.#help, type: "counter", samples: [...this.#counts.values()] };
  }
}

/** Seconds, in buckets, by labels. */
export class Histogram {
  readonly #name: string;
  readonly #help: string;
  readonly #bounds: readonly number[];
  readonly #all = new Map<string, { readonly labels: Labels; readonly counts: number[]; sum: number }>();

  /** @param bounds of the buckets, ascending; the last, without a bound, comes by itself */
  constructor(name: string, help: string, bounds: readonly number[]) {
    this.#name = name;
    this.#help = help;
    this.#bounds = [...bounds, Infinity];
  }

  observe(labels: Labels, value: number): void {
    const key = JSON.stringify(labels);
    let one = this.#all.get(key);
    if (one === undefined) this.#all.set(key, (one = { labels, counts: this.#bounds.map(() => 0), sum: 0 }));
    one.sum += value;
    for (const [index, bound] of this.#bounds.entries()) if (value <= bound) one.counts[index]! += 1;
  }

  get metric(): Metric {
    const samples = [...this.#all.values()].flatMap(({ labels, counts, sum }): Sample[] => [
      ...counts.map((value, index) => ({ suffix: "_bucket", labels: { ...labels, le: numberText(this.#bounds[index]!) }, value })),
      { suffix: "_sum", labels, value: sum },
      { suffix: "_count", labels, value: counts.at(-1)! },
    ]);
    return { name: this.#name, help: this.#help, type: "histogram", samples };
  }
}
