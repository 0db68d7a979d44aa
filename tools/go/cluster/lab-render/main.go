// Command lab-render tells what Flux would apply of a learner's repository, without a cluster and without Flux.
//
//	lab-render <path of the root Kustomization> <namespace>/<name of its GitRepository>
//
// On standard input it takes the files of a commit (see tree.go), on standard output it gives JSON (see render.go): every
// Flux Kustomization that is found from the root on, each with the objects that it applies, reduced to what decides which
// images run. It renders with the library that kustomize-controller has, and leaves out the files that source-controller
// leaves out.
//
// It trusts nothing in these files: it opens no connection, runs no program, and follows no link.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
)

// More than any lab's tree renders to.
const maxOutput = 4 << 20

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: lab-render <path> <namespace>/<name> < files")
		os.Exit(2)
	}
	isolate()
	output, err := render(os.Args[1], os.Args[2])
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab-render:", err)
		os.Exit(1)
	}
	os.Stdout.Write(output)
}

func render(rootPath, source string) ([]byte, error) {
	folder, err := os.MkdirTemp("", "lab-render-")
	if err != nil {
		return nil, errors.New("there is no place for temporary files")
	}
	defer os.RemoveAll(folder)
	result, err := renderAll(bufio.NewReader(os.Stdin), folder, rootPath, source)
	if err != nil {
		return nil, err
	}
	output, err := json.Marshal(result)
	if err != nil {
		return nil, err
	}
	if len(output) > maxOutput {
		output, err = json.Marshal(Result{Problem: &Problem{Says: fmt.Sprintf("renders to more than %d MiB", maxOutput>>20)}})
	}
	return output, err
}

// isolate takes away what kustomize loads remote things with: Go's own HTTP client, and the git on PATH.
func isolate() {
	http.DefaultTransport = refusal{}
	http.DefaultClient.Transport = refusal{}
	os.Setenv("PATH", "")
}

type refusal struct{}

func (refusal) RoundTrip(request *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("nothing is loaded from elsewhere (%s)", strings.ToLower(request.URL.Scheme))
}
