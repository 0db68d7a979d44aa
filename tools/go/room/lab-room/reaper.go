package main

import (
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// reaper starts processes and takes in every one that ends, also those it did not start: in its own namespace the first
// process inherits all orphans.
type reaper struct {
	mutex   sync.Mutex
	born    *sync.Cond
	waiting map[int]chan syscall.WaitStatus
}

func newReaper() *reaper {
	r := &reaper{waiting: map[int]chan syscall.WaitStatus{}}
	r.born = sync.NewCond(&r.mutex)
	go r.reap()
	return r
}

// start runs a program of a node, which sees what this process sees.
func (r *reaper) start(program Program, env []string, files []uintptr) (<-chan syscall.WaitStatus, error) {
	path, err := lookPath(program.Args[0], program.Env["PATH"])
	if err != nil {
		return nil, err
	}
	return r.fork(path, program.Args, &syscall.ProcAttr{Dir: "/", Env: env, Files: files}, nil)
}

// stage runs a program by way of a stage: with a mount namespace and a session of its own.
func (r *reaper) stage(self string, files []uintptr, told func(pid int) error) (<-chan syscall.WaitStatus, error) {
	attributes := &syscall.ProcAttr{
		Files: files,
		Env:   []string{"GOMAXPROCS=1"},
		Sys:   &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS, Setsid: true},
	}
	return r.fork(self, []string{"lab-room", stageCommand}, attributes, told)
}

// fork returns a channel that gives the process' end. `told` is called with its number before it can be anybody else's.
func (r *reaper) fork(path string, args []string, attributes *syscall.ProcAttr, told func(pid int) error) (<-chan syscall.WaitStatus, error) {
	// Held until the process is noted, so that its end is not taken for an orphan's.
	r.mutex.Lock()
	defer r.mutex.Unlock()
	pid, err := syscall.ForkExec(path, args, attributes)
	if err != nil {
		return nil, &os.PathError{Op: "start", Path: path, Err: err}
	}
	ended := make(chan syscall.WaitStatus, 1)
	r.waiting[pid] = ended
	r.born.Broadcast()
	if told != nil {
		if err := told(pid); err != nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	return ended, nil
}

func (r *reaper) reap() {
	for {
		// Looks who has ended, and takes it in only under the lock: until then the number is nobody else's.
		var info unix.Siginfo
		err := retried(func() error { return unix.Waitid(unix.P_ALL, 0, &info, unix.WEXITED|unix.WNOWAIT, nil) })
		r.mutex.Lock()
		if err != nil {
			// There is no child at the moment; an orphan may come without one of ours being born.
			timer := time.AfterFunc(orphanPoll, r.born.Broadcast)
			r.born.Wait()
			timer.Stop()
			r.mutex.Unlock()
			continue
		}
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, syscall.WNOHANG, nil)
		if ended, ok := r.waiting[pid]; err == nil && ok {
			ended <- status
			delete(r.waiting, pid)
		}
		r.mutex.Unlock()
	}
}

const orphanPoll = time.Second
