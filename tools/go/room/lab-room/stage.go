package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stageCommand is what lab-room runs itself with on the way to a program.
const stageCommand = "stage"

// Files that a stage is born with: its orders, then the mounts.
const (
	stageOrders     = 3
	stageFirstMount = 4
)

// orders are what a stage is to make of itself.
type orders struct {
	Program Program  `json:"program"`
	Mounts  []string `json:"mounts"`
}

// stageFile returns a file that holds a stage's orders.
func stageFile(program Program, mounts []string) (*os.File, error) {
	text, err := json.Marshal(orders{Program: program, Mounts: mounts})
	if err != nil {
		return nil, err
	}
	return inputFile(string(text))
}

// runStage is the stage between a room's first process and a program: in a mount namespace of its own it makes a root that
// has exactly what the program is to see, sheds every right, and becomes the program.
func runStage() error {
	text, err := io.ReadAll(os.NewFile(stageOrders, "orders"))
	if err != nil {
		return err
	}
	var what orders
	if err := json.Unmarshal(text, &what); err != nil {
		return err
	}
	program := what.Program
	if program.Expendable {
		// Raising it needs no right. Where /proc is masked the kernel goes by size alone.
		_ = os.WriteFile("/proc/self/oom_score_adj", []byte("500"), 0)
	}
	if err := makeView(what); err != nil {
		return err
	}
	if err := os.Chdir(program.Cwd); err != nil {
		return err
	}
	if err := setLimits(program); err != nil {
		return err
	}
	if err := shedRights(); err != nil {
		return err
	}
	env := []string{}
	for name, value := range program.Env {
		env = append(env, name+"="+value)
	}
	sort.Strings(env)
	if err := syscall.Exec(program.Args[0], program.Args, env); err != nil {
		return &os.PathError{Op: "start", Path: program.Args[0], Err: err}
	}
	return nil
}

func setLimits(program Program) error {
	for resource, most := range map[int]uint64{
		unix.RLIMIT_FSIZE: program.FileSize, unix.RLIMIT_NOFILE: program.OpenFiles, unix.RLIMIT_CPU: program.CpuSeconds,
		unix.RLIMIT_DATA: program.DataBytes,
		// Linux counts for this one within the room's user namespace, since 5.14.
		unix.RLIMIT_NPROC: program.Processes,
	} {
		if most == 0 {
			continue
		}
		if err := unix.Setrlimit(resource, &unix.Rlimit{Cur: most, Max: most}); err != nil {
			return fmt.Errorf("limit %d: %w", resource, err)
		}
	}
	// A dump would be written by the kernel where the host's pattern says.
	return unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{})
}

// newRoot is where a root is put together; every Linux has the folder, and what is in it is not looked at.
const newRoot = "/tmp"

const plainMount = unix.MS_NOSUID | unix.MS_NODEV

func makeView(what orders) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return err
	}
	if err := unix.Mount("root", newRoot, "tmpfs", plainMount, "mode=755,size=1m"); err != nil {
		return fmt.Errorf("root: %w", err)
	}
	// Folders in memory come first: what is shown may be within one of them.
	program := what.Program
	for _, path := range sortedKeys(program.Scratch) {
		options := fmt.Sprintf("mode=1777,size=%d,nr_inodes=%d", program.Scratch[path], max(program.Scratch[path]/4096, 1024))
		target := filepath.Join(newRoot, path)
		if err := os.MkdirAll(target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("scratch", target, "tmpfs", plainMount, options); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	for index, target := range what.Mounts {
		fd := stageFirstMount + index
		if err := attach(fd, target); err != nil {
			return fmt.Errorf("%s: %w", target, err)
		}
		_ = unix.Close(fd)
	}
	for path, text := range program.Files {
		if err := writeNew(filepath.Join(newRoot, path), text); err != nil {
			return err
		}
	}
	if program.Proc {
		mountOwnProcesses(filepath.Join(newRoot, "proc"))
	}
	if err := os.MkdirAll(filepath.Join(newRoot, program.Cwd), 0o755); err != nil {
		return err
	}
	if err := unix.Mount("", newRoot, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY|plainMount, ""); err != nil {
		return err
	}
	return pivot(newRoot)
}

// mountOwnProcesses shows the room's processes, without the kernel's settings and its secrets. Where the machine's own
// /proc is masked, as in most containers, Linux allows none: the room's programs can do without.
func mountOwnProcesses(target string) {
	if os.MkdirAll(target, 0o555) != nil {
		return
	}
	_ = unix.Mount("proc", target, "proc", plainMount|unix.MS_NOEXEC, "subset=pid")
}

// attach puts a mount that came as an open file where it belongs.
func attach(fd int, target string) error {
	path := filepath.Join(newRoot, target)
	var stat unix.Stat_t
	if err := unix.Fstat(fd, &stat); err != nil {
		return err
	}
	if stat.Mode&unix.S_IFMT == unix.S_IFDIR {
		if err := os.MkdirAll(path, 0o755); err != nil {
			return err
		}
	} else if _, err := os.Lstat(path); err != nil {
		if err := writeNew(path, ""); err != nil {
			return err
		}
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, path, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

func writeNew(path, text string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(text), 0o644)
}

// pivot makes the folder the root and lets go of what was the root before.
func pivot(folder string) error {
	if err := os.Chdir(folder); err != nil {
		return err
	}
	// The old root ends up on top of the new one, from where it is taken away: pivot_root(2), "pivot_root('.', '.')".
	if err := unix.PivotRoot(".", "."); err != nil {
		return fmt.Errorf("pivot_root: %w", err)
	}
	if err := unix.Unmount(".", unix.MNT_DETACH); err != nil {
		return err
	}
	return os.Chdir("/")
}

// emptyRoot leaves this process nothing of the host's files but itself, to start stages from. Its own /proc stays whole, for
// Linux lets a room mount another only where such a one is to be seen.
func emptyRoot(self int) error {
	if err := unix.Mount("root", newRoot, "tmpfs", plainMount, "mode=755,size=64k"); err != nil {
		return err
	}
	for _, folder := range []string{"proc", "tmp"} {
		if err := os.Mkdir(filepath.Join(newRoot, folder), 0o755); err != nil {
			return err
		}
	}
	if err := attach(self, stageProgram); err != nil {
		return err
	}
	_ = unix.Mount("proc", filepath.Join(newRoot, "proc"), "proc", plainMount|unix.MS_NOEXEC, "")
	return pivot(newRoot)
}

// stageProgram is where a room's first process has this program.
const stageProgram = "/lab-room"

func sortedKeys[V any](of map[string]V) []string {
	keys := make([]string, 0, len(of))
	for key := range of {
		keys = append(keys, key)
	}
	// A folder before what is in it.
	slices.SortFunc(keys, strings.Compare)
	return keys
}
