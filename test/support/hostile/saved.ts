import fc from "fast-check";

/** How a program saves a text: what each of them makes of letters, line breaks and the start of a file. */
const programs: readonly ((text: string) => Buffer)[] = [
  (text) => Buffer.from(text),
  (text) => Buffer.from(`\ufeff${text}`),
  (text) => Buffer.from(text.replaceAll("\n", "\r\n")),
  (text) => Buffer.from(text.replaceAll("\n", "\r")),
  (text) => Buffer.from(`\ufeff${text.replaceAll("\n", "\r\n")}`, "utf16le"),
  (text) => Buffer.from(`\ufeff${text}`, "utf16le").swap16(),
  (text) => Buffer.from(text, "utf16le"),
  (text) => Buffer.from(text, "latin1"),
  (text) => Buffer.from(Buffer.from(text).toString("latin1")),
  (text) => Buffer.from(Buffer.from(text, "latin1").toString("utf8")),
  (text) => Buffer.concat([Buffer.from("PK\u0003\u0004xl/", "latin1"), Buffer.from(text)]),
];

/** What happens to a file on its way. */
const mishap: fc.Arbitrary<(bytes: Buffer) => Buffer> = fc.oneof(
  { arbitrary: fc.constant((bytes: Buffer) => bytes), weight: 6 },
  { arbitrary: share((bytes, place) => bytes.subarray(0, place)), weight: 1 },
  { arbitrary: share((bytes, place) => bytes.subarray(place)), weight: 1 },
  { arbitrary: share((bytes, place) => Buffer.concat([bytes.subarray(0, place), Buffer.from([0]), bytes.subarray(place)])), weight: 1 },
  {
    arbitrary: fc.tuple(fc.nat({ max: 999 }), fc.nat({ max: 255 })).map(([at, byte]) => (bytes: Buffer) => {
      const copy = Buffer.from(bytes);
      if (copy.length > 0) copy[Math.floor((copy.length * at) / 1000)] = byte;
      return copy;
    }),
    weight: 1,
  },
);

function share(change: (bytes: Buffer, place: number) => Buffer): fc.Arbitrary<(bytes: Buffer) => Buffer> {
  return fc.nat({ max: 999 }).map((at) => (bytes) => change(bytes, Math.floor((bytes.length * at) / 1000)));
}

/** Texts as the bytes of a file that some program has saved, now and then damaged. */
export function saved(text: fc.Arbitrary<string>): fc.Arbitrary<Buffer> {
  const whole = fc.tuple(
    text,
    fc.oneof({ arbitrary: fc.constant(programs[0]!), weight: 4 }, { arbitrary: fc.constantFrom(...programs), weight: 6 }),
    mishap,
  );
  return whole.map(([content, save, befall]) => befall(save(content)));
}
