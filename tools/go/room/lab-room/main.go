// Command lab-room makes rooms: namespaces of their own, which end together, for what belongs to one learner.
//
//	lab-room run <config>    makes a room, keeps its doors open and starts programs in it, until it ends or is told to
//	lab-room once <config>   makes a room for one program, with this process' standard files, and goes with it
//	lab-room once            takes the configuration from its file 3, and goes with whoever is at its other end, too
//	lab-room probe <folder>  tells, as JSON, which parts of a room this machine can make
//
// It knows nothing of Kubernetes or Git: the configuration (host/room/config.ts) says what is in a room, and how.
//
// One process stays outside and holds what only the host may do (`outside`), its child is the first process of the room
// (`inside`), and each program passes through a stage of its own that furnishes what it sees (`stage`).
package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

func init() {
	// The kernel ends the room with the thread that started it, so that must be the one which lives longest.
	runtime.LockOSThread()
}

// What each process of a room tries to stay below: there is one on either side for every learner.
const heapLimit = 6 << 20

func main() {
	debug.SetMemoryLimit(heapLimit)
	err := keepFiles()
	if err == nil {
		err = dispatch(os.Args[1:])
	}
	var ended exitCode
	if errors.As(err, &ended) {
		os.Exit(int(ended))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "lab-room:", err)
		os.Exit(1)
	}
}

// keepFiles passes on to no other program what this one was started with, but for the standard files: whoever started the
// lab may have had a folder of the host open, by which everything in it is reached.
func keepFiles() error {
	return unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC)
}

// exitCode is how a program ended that this process stands for.
type exitCode int

func (code exitCode) Error() string { return fmt.Sprintf("exit code %d", int(code)) }

func dispatch(args []string) error {
	switch {
	case len(args) == 1 && args[0] == insideCommand:
		return runInside()
	case len(args) == 1 && args[0] == stageCommand:
		return runStage()
	case len(args) == 1 && args[0] == waitCommand:
		_, err := io.Copy(io.Discard, os.Stdin)
		return err
	case len(args) == 2 && args[0] == "run":
		return withRoom(args[1], run)
	case len(args) == 1 && args[0] == "once":
		return onceLinked()
	case len(args) == 2 && args[0] == "once":
		return withRoom(args[1], once)
	case len(args) == 2 && args[0] == "probe":
		return probe(args[1])
	case len(args) == 2 && args[0] == "probe-inside":
		return probeInside(args[1])
	default:
		return errors.New("usage: lab-room run <config> | once [<config>] | probe <folder>")
	}
}

func withRoom(file string, do func(Room) error) error {
	room, err := readRoom(file)
	if err != nil {
		return err
	}
	return do(room)
}
