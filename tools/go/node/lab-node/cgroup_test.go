package main

import (
	"os"
	"path/filepath"
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
