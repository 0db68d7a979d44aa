package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
)

// Two processes of a learner start at once: one finds the group that the other has made this instant.
func TestACpusetThatIsNotFilledYetIsFilled(t *testing.T) {
	root := t.TempDir()
	write := func(group, cpus string) string {
		folder := filepath.Join(root, group)
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if err := os.WriteFile(filepath.Join(folder, file), []byte(cpus+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return folder
	}
	write(".", "0-1")
	write("lab", "")
	learner := write("lab/learner", "")
	if err := (Cgroup{Version: 1}).makeGroup("cpuset", learner); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"lab", "lab/learner"} {
		for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
			if value, _ := readWord(filepath.Join(root, folder, file)); value != "0-1" {
				t.Errorf("%s/%s is %q", folder, file, value)
			}
		}
	}
}

// What hands controllers down at the root of version 2 may be another's, as systemd's: it is only added to.
func TestOnlyWhatIsMissingIsHandedDown(t *testing.T) {
	root := t.TempDir()
	group := filepath.Join(root, "labs", "ada")
	if err := os.MkdirAll(group, 0o755); err != nil {
		t.Fatal(err)
	}
	control := func(folder string) string { return filepath.Join(folder, "cgroup.subtree_control") }
	for folder, present := range map[string]string{root: "cpu memory pids\n", filepath.Dir(group): "cpu pids\n", group: "\n"} {
		for file, text := range map[string]string{control(folder): present, filepath.Join(folder, "cgroup.controllers"): "cpu io memory pids\n"} {
			if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := handDown(root, group); err != nil {
		t.Fatal(err)
	}
	// A plain file keeps the last word that is written to it, where the kernel would add it.
	for folder, last := range map[string]string{root: "cpu memory pids", filepath.Dir(group): "+memory", group: "+pids"} {
		if value, _ := readWord(control(folder)); value != last {
			t.Errorf("%s is %q", control(folder), value)
		}
	}
}

// With version 2 no process can be put into a group that has handed controllers down, as the node's has once it ran.
func TestAGroupThatANodeRanInIsMadeAnew(t *testing.T) {
	cgroup := trialCgroup(t)
	if err := makeGroups(cgroup, filepath.Join("node", "init")); err != nil {
		t.Fatal(err)
	}
	left := exec.Command("sleep", "60")
	if err := left.Start(); err != nil {
		t.Fatal(err)
	}
	for _, folder := range cgroup.Folders {
		if err := os.WriteFile(filepath.Join(folder, "node", "init", "cgroup.procs"), []byte(strconv.Itoa(left.Process.Pid)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := cgroup.clear("node"); err != nil {
		t.Fatal(err)
	}
	if err := left.Wait(); err == nil {
		t.Error("what ran in the group goes on")
	}
	for _, folder := range cgroup.Folders {
		if _, err := os.Stat(filepath.Join(folder, "node")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the group of the node that was there before: %v", err)
		}
	}
	if err := cgroup.clear("node"); err != nil {
		t.Errorf("a group that is not there: %v", err)
	}
}

func makeGroups(cgroup Cgroup, below string) error {
	for controller, folder := range cgroup.Folders {
		if err := cgroup.makeGroup(controller, filepath.Join(folder, below)); err != nil {
			return err
		}
	}
	return nil
}

// trialCgroup is a group of this machine's, of either version, which goes with the test.
func trialCgroup(t *testing.T) Cgroup {
	cgroup := Cgroup{Version: 1, Folders: map[string]string{"pids": filepath.Join(cgroupRoot, "pids", "gitops-lab-test")}}
	if _, err := os.Stat(filepath.Join(cgroupRoot, "cgroup.controllers")); err == nil {
		cgroup = Cgroup{Version: 2, Folders: map[string]string{"unified": filepath.Join(cgroupRoot, "gitops-lab-test")}}
	}
	if err := makeGroups(cgroup, ""); err != nil {
		t.Skipf("no control groups that can be written: %v", err)
	}
	t.Cleanup(func() {
		if err := cgroup.clear(""); err != nil {
			t.Error(err)
		}
	})
	return cgroup
}
