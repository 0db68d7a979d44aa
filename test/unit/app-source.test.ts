import { describe, expect, test } from "vitest";
import { faultOfFiles, faultOfGo, faultOfModule } from "../../host/pipeline/app-source.ts";
import { wordsForLearner } from "../../host/pipeline/compiler-words.ts";

const file = (path: string, mode = "100644", bytes = 10) => ({ path, mode, bytes });

describe("the app's source", () => {
  test.each([
    ["a.s", "100644", 10, /^app\/a\.s is not Go/],
    ["sub/a.S", "100644", 10, /not Go/],
    ["rsrc.syso", "100644", 10, /not Go/],
    ["x.c", "100644", 10, /not Go/],
    ["x.hpp", "100644", 10, /not Go/],
    ["main.go", "120000", 10, /^app\/main\.go is a symbolic link/],
    ["dep", "160000", 0, /^app\/dep is a submodule/],
    ["data.bin", "100644", 700 * 1024 ** 2, /^app\/data\.bin has 700 MiB, and a file of the app may have 4 MiB/],
    ["main.go", "100644", 10, undefined],
    ["VERSION", "100644", 6, undefined],
    ["static/page.html", "100755", 4096, undefined],
  ])("%s (%s, %i bytes)", (path, mode, bytes, fault) => {
    const found = faultOfFiles([file("go.mod"), file(path, mode, bytes)]);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });

  test.each([
    ['package main\n\nimport "C"\n', true],
    ['package main\nimport _ "C"\n', true],
    ['package main\nimport (\n\t"fmt"\n\t"C"\n)\n', true],
    ['package main\nimport ("fmt"; "C")\n', true],
    ['package main\nimport (\n\t"fmt"\n)\nvar grade = "C"\n', false],
    ['package main\n// import "C" is not used\n', false],
  ])("%j asks for C: %s", (text, asks) => expect(faultOfGo("main.go", text) !== undefined).toBe(asks));

  test.each([
    ["module app\n\ngo 1.24\n", undefined],
    ["module app\ngo 1.24\ntoolchain go1.24.5\n", undefined],
    ["module app\ngo 1.99\n", /asks for Go 1\.99, and the lab builds with 1\.26\.1/],
    ["module app\ngo 1.26.2\n", /asks for Go 1\.26\.2/],
    ["module app\nrequire example.org/x v1.0.0\n", /requires example\.org\/x v1\.0\.0, and the lab builds without a network/],
    ["module app\nrequire (\n\texample.org/x v1.0.0 // indirect\n)\n", /requires example\.org\/x/],
    ["module app\nreplace example.org/x => /root\n", /replaces a module by "\/root", which is not in app\//],
    ["module app\nreplace example.org/x => ../../x\n", /is not in app\//],
    ["module app\nreplace example.org/x => ./x/../../y\n", /is not in app\//],
    ["module app\nrequire example.org/x v0.0.0\nreplace example.org/x => ./x\n", undefined],
  ])("a go.mod of %j", (text, fault) => {
    const found = faultOfModule(text, "go1.26.1", false);
    if (fault === undefined) expect(found).toBeUndefined();
    else expect(found).toMatch(fault);
  });

  test("may bring the modules that it requires", () =>
    expect(faultOfModule("module app\nrequire example.org/x v1.0.0\n", "go1.26.1", true)).toBeUndefined());
});

describe("a compiler's words", () => {
  const files = ["main.go", "sub/other.go", "go.mod"];
  test.each([
    ["# app\n./main.go:3:2: undefined: nonsense\n", "main.go:3:2: undefined: nonsense"],
    ["sub/other.go:1:1: expected 'package'\n", "sub/other.go:1:1: expected 'package'"],
    ["main.go:4:2: package x/y is not in std (/usr/local/go/src/x/y)\n", "main.go:4:2: package x/y is not in std"],
    ["main.go:4:2: open /root/.local/secret: no such file\n", "main.go:4:2: open … no such file"],
    ["/root/passphrase:1:1: hunter2\n", undefined],
    ["passphrase:1:1: hunter2\n", undefined],
    ["other.go:1:1: of a file that is not the learner's\n", undefined],
    ["go: cannot find GOROOT directory: /usr/local/go\n", undefined],
    ["main.go:5:3: invalid operation: a / b (mismatched types)\n", "main.go:5:3: invalid operation: a / b (mismatched types)"],
  ])("%j", (words, told) => expect(wordsForLearner(words, files)).toBe(told));

  test("are not more than one reads", () => {
    const many = Array.from({ length: 5000 }, (_, line) => `main.go:${line}:1: undefined: ${"x".repeat(1000)}`).join("\n");
    expect(wordsForLearner(many, files)!.length).toBeLessThan(8000);
  });
});
