package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	firstPause   = 250 * time.Millisecond
	longestPause = 5 * time.Second
	healthyAfter = time.Minute
	awaitPoll    = 20 * time.Millisecond
)

// keepRunning starts a program of a node again, with growing pauses, whenever it ends.
func (r *reaper) keepRunning(program Program, log int) {
	pause := firstPause
	for {
		started := time.Now()
		await(program)
		fmt.Fprintf(os.Stderr, "%s %s %v\n", time.Now().UTC().Format(time.RFC3339), program.Name, r.runOnce(program, "", log))
		if time.Since(started) > healthyAfter {
			pause = firstPause
		}
		time.Sleep(pause)
		pause = min(pause*2, longestPause)
	}
}

// succeed runs the program to its end, which must be a good one.
func (r *reaper) succeed(program Program, input string, log int) error {
	await(program)
	if outcome := r.runOnce(program, input, log); outcome != endedWell {
		return fmt.Errorf("%s %v", program.Name, outcome)
	}
	return nil
}

func await(program Program) {
	for program.Awaits != "" {
		if _, err := os.Stat(program.Awaits); err == nil {
			return
		}
		time.Sleep(awaitPoll)
	}
}

const endedWell = "ended with exit code 0"

// runOnce runs the program and returns how it ended.
func (r *reaper) runOnce(program Program, input string, log int) string {
	stdin, err := inputFile(input)
	if err != nil {
		return err.Error()
	}
	defer stdin.Close()
	ended, err := r.start(program, environment(program), []uintptr{stdin.Fd(), uintptr(log), uintptr(log)})
	if err != nil {
		return err.Error()
	}
	switch status := <-ended; {
	case status.Signaled():
		return fmt.Sprintf("was killed by signal %d", status.Signal())
	default:
		return fmt.Sprintf("ended with exit code %d", status.ExitStatus())
	}
}

func inputFile(text string) (*os.File, error) {
	if text == "" {
		return os.Open("/dev/null")
	}
	fd, err := unix.MemfdCreate("input", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "input")
	if _, err := bytes.NewBufferString(text).WriteTo(file); err != nil {
		return nil, err
	}
	_, err = file.Seek(0, 0)
	return file, err
}

// markVariable is how the lab finds its processes: host/process-identity.ts.
const markVariable = "GITOPS_LAB_PROCESS"

// insideMark tells a room's first process from the one outside.
const insideMark = "/" + insideCommand

func environment(program Program) []string {
	variables := []string{fmt.Sprintf("%s=%s/%s", markVariable, strings.TrimSuffix(os.Getenv(markVariable), insideMark), program.Name)}
	for name, value := range program.Env {
		variables = append(variables, name+"="+value)
	}
	return variables
}

func lookPath(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		return name, nil
	}
	for _, folder := range filepath.SplitList(path) {
		file := filepath.Join(folder, name)
		if info, err := os.Stat(file); err == nil && !info.IsDir() && info.Mode()&0o111 != 0 {
			return file, nil
		}
	}
	return "", fmt.Errorf("there is no %s in %s", name, path)
}
