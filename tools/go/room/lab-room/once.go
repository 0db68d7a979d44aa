package main

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// once makes a room for the program of its configuration, which gets this process' standard files, and ends it with the
// program. Returns the program's exit code.
func once(room Room) error {
	if room.Program == nil {
		return errors.New("the configuration names no program")
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	side, err := makeRoom(room)
	if err != nil {
		return err
	}
	defer side.end()
	program, err := side.start(*room.Program, [3]int{int(os.Stdin.Fd()), int(os.Stdout.Fd()), int(os.Stderr.Fd())})
	if err != nil {
		return err
	}
	select {
	case <-program.ended:
		if program.status.Signaled() {
			return exitCode(128 + int(program.status.Signal()))
		}
		return exitCode(program.status.ExitStatus())
	case <-side.ended:
		return exitCode(128 + int(syscall.SIGKILL))
	case <-told:
		return exitCode(128 + int(syscall.SIGTERM))
	}
}
