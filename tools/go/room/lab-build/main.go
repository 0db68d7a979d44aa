// Command lab-build builds a program of a Go module in a room that has a Go toolchain and nothing else.
//
//	lab-build module             reads the module as a tar, writes the program to standard output
//	lab-build std <package>...   fills a cache with packages of the standard library
//
// It ends with 1 where the compiler is not content, whose words are on standard error then; with 2 where it does not take the
// source, and 3 where it needs more than there is, with a sentence for whoever wrote the source.
//
// Where things are, the environment says: GOROOT; TMPDIR, a folder of its own; LAB_BUILD_CACHE, the cache of the standard
// library.
package main

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
)

const (
	refused   = 2
	exhausted = 3
)

// fault is a sentence for whoever wrote the source, and an exit code.
type fault struct {
	code     int
	sentence string
}

func (f fault) Error() string { return f.sentence }

func main() {
	err := dispatch(os.Args[1:])
	var known fault
	switch {
	case err == nil:
	case errors.As(err, &known):
		fmt.Fprintln(os.Stderr, known.sentence)
		os.Exit(known.code)
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EFBIG) || errors.Is(err, syscall.EDQUOT):
		fmt.Fprintln(os.Stderr, "The build needs more room for files than there is.")
		os.Exit(exhausted)
	default:
		fmt.Fprintln(os.Stderr, "lab-build:", err)
		os.Exit(4)
	}
}

func dispatch(args []string) error {
	folder, shared := os.Getenv("TMPDIR"), os.Getenv("LAB_BUILD_CACHE")
	switch {
	case len(args) == 1 && args[0] == "module":
		return buildModule(folder, shared)
	case len(args) > 1 && args[0] == "std":
		// For every room to read.
		syscall.Umask(0o022)
		return compile(folder, shared, append([]string{"build", "-trimpath"}, args[1:]...)...)
	default:
		return errors.New("usage: lab-build module | std <package>...")
	}
}

func buildModule(folder, shared string) error {
	module, cache, program := filepath.Join(folder, "module"), filepath.Join(folder, "cache"), filepath.Join(folder, "program")
	if err := unpack(os.Stdin, module); err != nil {
		return err
	}
	if err := borrowCache(shared, cache); err != nil {
		return err
	}
	// The same arguments as the lab has for images that it builds by itself: host/images/program.ts.
	if err := compile(module, cache, "build", "-buildvcs=false", "-trimpath", "-ldflags=-s -w -buildid=", "-o", program, "."); err != nil {
		return err
	}
	built, err := os.Open(program)
	if errors.Is(err, os.ErrNotExist) {
		return fault{refused, "The app is no program: it needs a package main."}
	}
	if err != nil {
		return err
	}
	defer built.Close()
	// Of a library Go writes an archive.
	magic := make([]byte, len(elf.ELFMAG))
	if _, err := io.ReadFull(built, magic); err != nil || string(magic) != elf.ELFMAG {
		return fault{refused, "The app is no program: it needs a package main."}
	}
	if _, err := os.Stdout.Write(magic); err != nil {
		return err
	}
	_, err = io.Copy(os.Stdout, built)
	return err
}

// compile runs the Go command. Nothing is downloaded, no other toolchain is looked for, and no settings have a say.
func compile(folder, cache string, args ...string) error {
	goroot := os.Getenv("GOROOT")
	command := exec.Command(filepath.Join(goroot, "bin", "go"), args...)
	command.Dir = folder
	command.Env = []string{
		"GOROOT=" + goroot, "GOCACHE=" + cache, "GOPATH=" + filepath.Join(os.Getenv("TMPDIR"), "path"), "HOME=" + os.Getenv("TMPDIR"),
		"TMPDIR=" + os.Getenv("TMPDIR"), "PATH=/nowhere",
		"GOENV=off", "GOWORK=off", "GOFLAGS=-p=2", "GOPROXY=off", "GOSUMDB=off", "GOVCS=*:off", "GOTOOLCHAIN=local", "GOTELEMETRY=off",
		"CGO_ENABLED=0", "GOOS=linux", "GOMAXPROCS=2",
	}
	var words bytes.Buffer
	command.Stderr = &capped{to: &words, left: mostWords}
	// Its children die with it, and it with this process.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	err := command.Run()
	if err == nil {
		return nil
	}
	var ended *exec.ExitError
	if !errors.As(err, &ended) {
		return err
	}
	return judge(words.String())
}

// What of the compiler's words is looked at.
const mostWords = 256 << 10

// exhaustions are lines of the kernel's and the Go runtime's words where a limit is reached; none begins as a compiler's
// word on a file does.
var exhaustions = []struct {
	sign     *regexp.Regexp
	sentence string
}{
	{regexp.MustCompile(`(?m)^fatal error: .*(?:out of memory|cannot allocate)|^runtime: (?:out of memory|cannot allocate)|: signal: killed$`), "The compiler needs more memory than a build has."},
	{regexp.MustCompile(`(?m)^[^:\n]*: .*: no space left on device$|^.*/(?:compile|link|asm): .*no space left on device$`), "The build needs more room for files than there is."},
	{regexp.MustCompile(`(?m)^.*/(?:compile|link|asm): .*file too large$|signal: file size limit exceeded`), "The program, or a part of it, is larger than a build may write."},
	{regexp.MustCompile(`(?m)resource temporarily unavailable$|^runtime: failed to create new OS thread`), "The build needs more processes than it has."},
}

func judge(words string) error {
	for _, one := range exhaustions {
		if one.sign.MatchString(words) {
			return fault{exhausted, one.sentence}
		}
	}
	return fault{1, strings.TrimRight(words, "\n")}
}

type capped struct {
	to   io.Writer
	left int
}

func (c *capped) Write(text []byte) (int, error) {
	part := text[:min(len(text), c.left)]
	c.left -= len(part)
	_, err := c.to.Write(part)
	return len(text), err
}
