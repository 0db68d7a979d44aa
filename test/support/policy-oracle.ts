import { copyFile, mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run } from "../../shared/exec.ts";
import type { Ordering } from "../../verification/policy-explanation.ts";

export interface PolicyCase extends Ordering {
  readonly pattern: string;
  readonly extract: string;
  readonly tags: readonly string[];
}

/** What image-reflector-controller's own code answers: the tag, or the message of its error. */
export interface PolicyAnswer {
  readonly tag: string;
  readonly error: string;
  /** By tag that matches. */
  readonly values: Readonly<Record<string, string>>;
}

const program = `package main

import (
	"encoding/json"
	"os"
	"strings"

	"oracle/policy"
)

type question struct {
	Pattern, Extract, By, Order string
	Tags                        []string
}

type answer struct {
	Tag    string            \`json:"tag"\`
	Error  string            \`json:"error"\`
	Values map[string]string \`json:"values"\`
}

func ask(q question) (a answer) {
	a.Values = map[string]string{}
	filter, err := policy.NewRegexFilter(q.Pattern, q.Extract)
	if err != nil {
		a.Error = err.Error()
		return
	}
	for _, tag := range q.Tags {
		filter.Apply([]string{tag})
		for _, value := range filter.Items() {
			a.Values[tag] = value
		}
	}
	filter.Apply(q.Tags)
	var policer interface{ Latest([]string) (string, error) }
	if q.By == "numerical" {
		policer, err = policy.NewNumerical(strings.ToUpper(q.Order))
	} else {
		policer, err = policy.NewAlphabetical(strings.ToUpper(q.Order))
	}
	if err == nil {
		a.Tag, err = policer.Latest(filter.Items())
	}
	if err != nil {
		a.Error = err.Error()
	}
	a.Tag = filter.GetOriginalTag(a.Tag)
	return
}

func main() {
	var questions []question
	if err := json.NewDecoder(os.Stdin).Decode(&questions); err != nil {
		panic(err)
	}
	answers := make([]answer, len(questions))
	for i, q := range questions {
		answers[i] = ask(q)
	}
	if err := json.NewEncoder(os.Stdout).Encode(answers); err != nil {
		panic(err)
	}
}
`;

/** Asks the controller's own source, in the version that the lab pins, compiled for this question alone. */
export async function askController(cases: readonly PolicyCase[]): Promise<PolicyAnswer[]> {
  const module = "github.com/fluxcd/image-reflector-controller";
  const { stdout } = await run("go", ["mod", "download", "-json", `${module}@v1.2.3`], { cwd: tmpdir() });
  const { Dir: source } = JSON.parse(stdout) as { Dir: string };
  const folder = await mkdtemp(join(tmpdir(), "gitops-lab-oracle-"));
  try {
    await mkdir(join(folder, "policy"));
    for (const file of ["filter.go", "numerical.go", "alphabetical.go"])
      await copyFile(join(source, "internal", "policy", file), join(folder, "policy", file));
    await writeFile(join(folder, "go.mod"), "module oracle\n\ngo 1.24\n");
    await writeFile(join(folder, "main.go"), program);
    const answers = await run("go", ["run", "."], {
      cwd: folder,
      input: JSON.stringify(cases),
      env: { GOTOOLCHAIN: "local", GOFLAGS: "" },
    });
    return JSON.parse(answers.stdout) as PolicyAnswer[];
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
