package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// once makes a room for the program of its configuration, which gets this process' standard files, and ends it with the
// program. Returns the program's exit code.
func once(room Room) error {
	end, err := runAlone(room, nil)
	if err != nil {
		return err
	}
	if end.Signal != 0 {
		return exitCode(128 + end.Signal)
	}
	return exitCode(end.Code)
}

// onceFile is where onceLinked has its end of a socket.
const onceFile = 3

// onceLinked is once for a caller that sends the configuration as a line, reads how the program ended as another, and whose
// end, of whatever kind, is the room's.
func onceLinked() error {
	unix.CloseOnExec(onceFile)
	caller := os.NewFile(onceFile, "caller")
	in := bufio.NewReader(caller)
	line, err := in.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("no configuration: %w", err)
	}
	var room Room
	if err := json.Unmarshal(line, &room); err != nil {
		return err
	}
	gone := make(chan struct{})
	go func() { _, _ = io.Copy(io.Discard, in); close(gone) }()
	end, err := runAlone(room, gone)
	if err != nil {
		return json.NewEncoder(caller).Encode(response{Error: err.Error()})
	}
	return json.NewEncoder(caller).Encode(response{Ended: &end})
}

// runAlone returns how the program ended; where it was told to end it, or nobody waits for it any more, as if by a signal.
func runAlone(room Room, gone <-chan struct{}) (ending, error) {
	if room.Program == nil {
		return ending{}, errors.New("the configuration names no program")
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	side, err := makeRoom(room)
	if err != nil {
		return ending{}, err
	}
	defer func() {
		side.end()
		if room.Cgroup != nil {
			_ = room.Cgroup.clear(room.Group)
		}
	}()
	program, err := side.start(*room.Program, [3]int{int(os.Stdin.Fd()), int(os.Stdout.Fd()), int(os.Stderr.Fd())})
	if err != nil {
		return ending{}, err
	}
	select {
	case <-program.ended:
		if program.status.Signaled() {
			return ending{Signal: int(program.status.Signal())}, nil
		}
		return ending{Code: program.status.ExitStatus()}, nil
	case <-side.ended:
		return ending{Signal: int(syscall.SIGKILL)}, nil
	case <-gone:
		return ending{Signal: int(syscall.SIGTERM)}, nil
	case <-told:
		return ending{Signal: int(syscall.SIGTERM)}, nil
	}
}
