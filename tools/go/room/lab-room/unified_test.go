package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// unifiedVariable tells this test that it runs where a hierarchy of version 2 is mounted in the place of the machine's.
const unifiedVariable = "LAB_ROOM_UNIFIED"

// A hierarchy of version 2 can be mounted beside those of version 1, which then have the controllers: what is tested here is
// that groups are made, joined, given and cleared. Limits are seen only on machines that have version 2 alone.
func TestGroupsOfVersion2(t *testing.T) {
	if os.Getenv(unifiedVariable) != "" {
		testUnified(t)
		return
	}
	again := exec.Command("/proc/self/exe", "-test.run=^TestGroupsOfVersion2$", "-test.v")
	again.Env = append(os.Environ(), unifiedVariable+"=1")
	// Only root may mount one: in a user namespace of its own Linux lets nobody do so who has no cgroup namespace of it, too.
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	output, err := again.CombinedOutput()
	if os.Getuid() != 0 {
		if !errors.Is(err, unix.EPERM) {
			t.Errorf("without root the mounts were expected to be refused: %v\n%s", err, output)
		}
		return
	}
	if err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

func testUnified(t *testing.T) {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("cgroup2", cgroupRoot, "cgroup2", 0, ""); err != nil {
		t.Fatal(err)
	}
	top := filepath.Join(cgroupRoot, fmt.Sprintf("gitops-lab-test-%d", os.Getpid()))
	cgroup := Cgroup{Version: 2, Folders: map[string]string{"unified": filepath.Join(top, "ada")}}
	own, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, line := range strings.Split(string(own), "\n") {
			if path, ok := strings.CutPrefix(line, "0::"); ok {
				_ = os.WriteFile(filepath.Join(cgroupRoot, path, "cgroup.procs"), []byte("0"), 0)
			}
		}
		if err := errors.Join(cgroup.clear(""), os.Remove(top)); err != nil {
			t.Error(err)
		}
	})
	t.Run("a process joins, and its children are born there", func(t *testing.T) {
		if err := cgroup.join("room"); err != nil {
			t.Fatal(err)
		}
		told, err := exec.Command("cat", "/proc/self/cgroup").Output()
		if err != nil || !strings.Contains(string(told), "0::"+strings.TrimPrefix(cgroup.Folders["unified"], cgroupRoot)+"/room\n") {
			t.Errorf("a child is in %q, %v", told, err)
		}
	})
	t.Run("a node's group is the node's, but for what limits it", func(t *testing.T) {
		room := Room{Uid: probeUid, Node: &Node{}}
		if err := cgroup.give("room", room); err != nil {
			t.Fatal(err)
		}
		for file, owner := range map[string]uint32{"": probeUid, "cgroup.procs": probeUid, "cgroup.subtree_control": probeUid, "cgroup.max.depth": 0, "cgroup.freeze": 0} {
			info, err := os.Stat(filepath.Join(cgroup.Folders["unified"], "room", file))
			if err != nil || info.Sys().(*syscall.Stat_t).Uid != owner {
				t.Errorf("%q: %v, %v", file, info, err)
			}
		}
	})
	t.Run("a limit whose controller is elsewhere is named", func(t *testing.T) {
		limited := cgroup
		limited.Limits = map[string]string{"memory.max": "1"}
		if err := limited.join("room"); err == nil || !strings.Contains(err.Error(), "limit memory.max=1: ") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a core limit holds", func(t *testing.T) {
		limited := cgroup
		limited.Limits = map[string]string{"cgroup.max.descendants": "3"}
		if err := limited.join("room"); err != nil {
			t.Fatal(err)
		}
		// There is `room`.
		for _, name := range []string{"a", "b", "c"} {
			err := os.Mkdir(filepath.Join(cgroup.Folders["unified"], "room", name), 0o755)
			if (name == "c") != errors.Is(err, unix.EAGAIN) {
				t.Errorf("group %s: %v", name, err)
			}
		}
		limited.Limits = map[string]string{"cgroup.max.descendants": "max"}
		if err := limited.join("room"); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("what runs in groups within is ended, also while it starts others", func(t *testing.T) {
		if err := cgroup.join("room/a"); err != nil {
			t.Fatal(err)
		}
		forking := exec.Command("sh", "-c", "count=0; while [ $count -lt 200 ]; do sleep 60 & count=$((count + 1)); done; wait")
		if err := forking.Start(); err != nil {
			t.Fatal(err)
		}
		// This process leaves, for it would end itself.
		if err := cgroup.join(hostGroup); err != nil {
			t.Fatal(err)
		}
		if err := cgroup.clear("room"); err != nil {
			t.Fatal(err)
		}
		if err := forking.Wait(); err == nil || forking.ProcessState.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
			t.Errorf("what ran in the group ended with %v", err)
		}
		if _, err := os.Stat(filepath.Join(cgroup.Folders["unified"], "room")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the group is there: %v", err)
		}
	})
}
