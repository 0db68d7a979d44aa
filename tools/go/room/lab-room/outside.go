package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// outside is the host's side of a room.
type outside struct {
	room Room
	link *link
	// first is the room's first process. When it ends the kernel has ended every other.
	first *exec.Cmd
	// ended is closed when it has.
	ended chan struct{}

	mutex    sync.Mutex
	lastId   uint64
	answers  map[uint64]chan answer
	programs map[uint64]*running
	// ways are the doors that are open, by where they begin.
	ways   map[string]bool
	failed chan error
}

type answer struct {
	message
	files   []int
	started *running
}

// running is a program that was started and not taken in yet.
type running struct {
	pid    int
	status syscall.WaitStatus
	ended  chan struct{}
}

// makeRoom starts the room's first process, in namespaces of its own and in the learner's group, and furnishes it.
// Only for the thread that lives longest: the kernel ends the room with it.
func makeRoom(room Room) (*outside, error) {
	if room.Uid == 0 && givesNumbers() {
		return nil, errors.New("a room that root makes needs numbers of its own")
	}
	// Before this process is in a group that may use hardly any device.
	mounts, targets, err := furniture(room)
	if err != nil {
		return nil, err
	}
	defer closeAll(mounts)
	if room.Cgroup != nil {
		// Groups of a room that was there before: with version 2 nothing can be born in one that has groups with controllers.
		if err := room.Cgroup.clear(room.Group); err != nil {
			return nil, err
		}
		if err := room.Cgroup.join(room.Group); err != nil {
			return nil, err
		}
		if err := room.Cgroup.limitGroup(room.Group, room.GroupLimits); err != nil {
			return nil, err
		}
		if err := room.Cgroup.denyDevices(room.Group); err != nil {
			return nil, err
		}
	}
	own, others, err := newLink()
	if err != nil {
		return nil, err
	}
	first := firstProcess(room, others)
	err = asOwner(room.Uid, first.Start)
	_ = others.Close()
	if err != nil {
		return nil, fmt.Errorf("namespaces: %w", err)
	}
	side := &outside{
		room: room, link: own, first: first, ended: make(chan struct{}),
		answers: map[uint64]chan answer{}, programs: map[uint64]*running{},
		ways: map[string]bool{}, failed: make(chan error, 1),
	}
	go func() { _ = first.Wait(); close(side.ended) }()
	go side.listen()
	if err := side.furnish(mounts, targets); err != nil {
		side.end()
		return nil, err
	}
	return side, nil
}

func firstProcess(room Room, link *os.File) *exec.Cmd {
	flags := unix.CLONE_NEWUSER | unix.CLONE_NEWNS | unix.CLONE_NEWPID | unix.CLONE_NEWIPC | unix.CLONE_NEWUTS | unix.CLONE_NEWCGROUP
	if !room.Network.Shared {
		flags |= unix.CLONE_NEWNET
	}
	first := exec.Command("/proc/self/exe", insideCommand)
	first.Args[0] = "lab-room"
	first.Env = []string{"PATH=" + nodePath, markVariable + "=" + os.Getenv(markVariable) + insideMark, "GOMAXPROCS=1", "GOGC=50"}
	first.Stderr = os.Stderr
	first.ExtraFiles = []*os.File{link}
	uid, gid := room.Uid, room.Uid
	if uid == 0 {
		uid, gid = os.Getuid(), os.Getgid()
	}
	first.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  uintptr(flags),
		Pdeathsig:   syscall.SIGKILL,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: uid, Size: room.Ids}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: gid, Size: room.Ids}},
		// Who has one number needs no other groups, and without the right to them nobody can shed one that denies.
		GidMappingsEnableSetgroups: room.Ids > 1,
		Credential:                 &syscall.Credential{Uid: 0, Gid: 0, NoSetGroups: true},
	}
	return first
}

// asOwner does something as the room's own user, so that the kernel counts the room's namespaces, and what is counted in
// them, for that user and not for whoever makes it. Credentials are each thread's own in Linux.
func asOwner(uid int, do func() error) error {
	if uid == 0 {
		return do()
	}
	// Without it the thread would lose the right to name the room's numbers.
	const keepCapabilities = 1 << 2 // SECBIT_NO_SETUID_FIXUP, capabilities(7)
	if err := unix.Prctl(unix.PR_SET_SECUREBITS, keepCapabilities, 0, 0, 0); err != nil {
		return fmt.Errorf("keep capabilities: %w", err)
	}
	const unchanged = ^uintptr(0)
	set := func(call uintptr, id int) error {
		if _, _, problem := unix.RawSyscall(call, unchanged, uintptr(id), unchanged); problem != 0 {
			return problem
		}
		return nil
	}
	groups, err := unix.Getgroups()
	if err != nil {
		return err
	}
	setGroups := func(count int) error {
		list := make([]uint32, count+1)
		for index := range count {
			list[index] = uint32(groups[index])
		}
		return setThreadGroups(list[:count])
	}
	if err := errors.Join(setGroups(0), set(unix.SYS_SETRESGID, uid), set(unix.SYS_SETRESUID, uid)); err != nil {
		return fmt.Errorf("become user %d: %w", uid, err)
	}
	result := do()
	if err := errors.Join(set(unix.SYS_SETRESUID, 0), set(unix.SYS_SETRESGID, 0), setGroups(len(groups)), unix.Prctl(unix.PR_SET_SECUREBITS, 0, 0, 0, 0)); err != nil {
		return fmt.Errorf("become root again: %w", err)
	}
	return result
}

// furnish tells the first process what room it is, and waits until it is that.
func (o *outside) furnish(mounts []int, targets []string) error {
	if o.room.Cgroup != nil {
		if err := o.room.Cgroup.give(o.room.Group, o.room); err != nil {
			return err
		}
		// The group of a node that limits others can hold no process, so the one outside leaves before the room begins.
		if err := o.room.Cgroup.join(hostGroup); err != nil {
			return err
		}
	}
	_, err := o.ask(message{Kind: "furnish", Room: &o.room, Mounts: targets}, mounts)
	return err
}

// ask sends a request and waits for what comes back.
func (o *outside) ask(what message, files []int) (answer, error) {
	reply := make(chan answer, 1)
	o.mutex.Lock()
	o.lastId++
	what.Id = o.lastId
	o.answers[what.Id] = reply
	o.mutex.Unlock()
	defer func() { o.mutex.Lock(); delete(o.answers, what.Id); o.mutex.Unlock() }()
	if err := o.link.send(what, files, 0); err != nil {
		return answer{}, err
	}
	select {
	case got := <-reply:
		if got.Error != "" {
			closeAll(got.files)
			return answer{}, errors.New(got.Error)
		}
		return got, nil
	case <-o.ended:
		return answer{}, errors.New("the room ended")
	}
}

// listen takes in what the room says until it ends.
func (o *outside) listen() {
	for {
		what, files, pid, err := o.link.receive()
		if err != nil {
			o.end()
			return
		}
		o.mutex.Lock()
		if what.Kind == "ended" {
			if program, ok := o.programs[what.Id]; ok {
				program.status = syscall.WaitStatus(what.Status)
				delete(o.programs, what.Id)
				close(program.ended)
			}
			o.mutex.Unlock()
			continue
		}
		reply, ok := o.answers[what.Id]
		var started *running
		if ok && what.Kind == "started" {
			// Noted before its end can be told of.
			started = &running{pid: pid, ended: make(chan struct{})}
			o.programs[what.Id] = started
		}
		o.mutex.Unlock()
		if !ok {
			closeAll(files)
			continue
		}
		reply <- answer{message: what, files: files, started: started}
	}
}

// start begins a program in the room with these standard files.
func (o *outside) start(program Program, standard [3]int) (*running, error) {
	var mounts []int
	var targets []string
	if o.room.Uid != 0 {
		var err error
		if mounts, targets, err = viewOf(program, o.room); err != nil {
			return nil, err
		}
		defer closeAll(mounts)
		program.View = nil
	}
	got, err := o.ask(message{Kind: "start", Program: &program, Mounts: targets}, append(standard[:], mounts...))
	if err != nil {
		return nil, err
	}
	if got.started == nil {
		return nil, errors.New("the room did not say that it started the program")
	}
	return got.started, nil
}

// listenInside makes a listener of the room's network.
func (o *outside) listenInside(address string) (net.Listener, error) {
	file, err := o.socket(message{Kind: "listen", Address: address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileListener(file)
}

// dialInside connects to an address in the room's network.
func (o *outside) dialInside(_, address string) (net.Conn, error) {
	file, err := o.socket(message{Kind: "dial", Address: address})
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return net.FileConn(file)
}

func (o *outside) socket(what message) (*os.File, error) {
	got, err := o.ask(what, nil)
	if err != nil {
		return nil, err
	}
	if len(got.files) != 1 {
		closeAll(got.files)
		return nil, errors.New("the room sent no socket")
	}
	return os.NewFile(uintptr(got.files[0]), what.Address), nil
}

// end ends everything in the room and waits until it has.
func (o *outside) end() {
	_ = o.first.Process.Kill()
	<-o.ended
}
