package main

import (
	"sync"
	"syscall"
	"time"
)

// reaper starts processes and takes in every one that ends, also those it did not start: in its own namespace the first
// process inherits all orphans.
type reaper struct {
	mutex   sync.Mutex
	waiting map[int]chan syscall.WaitStatus
}

func newReaper() *reaper {
	r := &reaper{waiting: map[int]chan syscall.WaitStatus{}}
	go r.reap()
	return r
}

// start returns a channel that gives the process' end.
func (r *reaper) start(program Program, env []string, files []uintptr) (<-chan syscall.WaitStatus, error) {
	path, err := lookPath(program.Args[0], program.Env["PATH"])
	if err != nil {
		return nil, err
	}
	// Held until the process is noted, so that its end is not taken for an orphan's.
	r.mutex.Lock()
	defer r.mutex.Unlock()
	pid, err := syscall.ForkExec(path, program.Args, &syscall.ProcAttr{Dir: "/", Env: env, Files: files})
	if err != nil {
		return nil, err
	}
	ended := make(chan syscall.WaitStatus, 1)
	r.waiting[pid] = ended
	return ended, nil
}

func (r *reaper) reap() {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		if err == syscall.EINTR {
			continue
		}
		if err != nil {
			// There is no child at the moment.
			time.Sleep(awaitPoll)
			continue
		}
		r.mutex.Lock()
		if ended, ok := r.waiting[pid]; ok {
			ended <- status
			delete(r.waiting, pid)
		}
		r.mutex.Unlock()
	}
}
