package main

import (
	"fmt"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// shedRights takes from this thread, and so from the program that it becomes, what no program of a room needs: every
// capability, the means to get one, and the kernel's doors that only those with capabilities, debuggers and sandboxes use.
func shedRights() error {
	for capability := 0; capability <= unix.CAP_LAST_CAP; capability++ {
		// One that this kernel does not know yet is none to drop.
		if err := unix.Prctl(unix.PR_CAPBSET_DROP, uintptr(capability), 0, 0, 0); err != nil && err != unix.EINVAL {
			return fmt.Errorf("capability %d: %w", capability, err)
		}
	}
	if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil {
		return err
	}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	// Root of a room gets back by exec what its bounding set holds, which is nothing; until then it must not have it either.
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var none [2]unix.CapUserData
	if err := unix.Capset(&header, &none[0]); err != nil {
		return fmt.Errorf("capabilities: %w", err)
	}
	if err := refuseOtherCalls(); err != nil {
		return err
	}
	return seccomp.LoadFilter(seccomp.Filter{Policy: refusals()})
}

// refuseOtherCalls keeps to this architecture's way of calling the kernel: the numbers below mean something else in another.
func refuseOtherCalls() error {
	info, err := arch.GetInfo("")
	if err != nil {
		return err
	}
	const architecture = 4 // Offset in struct seccomp_data, seccomp(2).
	filter, err := bpf.Assemble([]bpf.Instruction{
		bpf.LoadAbsolute{Off: architecture, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(info.ID), SkipTrue: 1},
		bpf.RetConstant{Val: unix.SECCOMP_RET_KILL_PROCESS},
		bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW},
	})
	if err != nil {
		return err
	}
	lines := make([]unix.SockFilter, len(filter))
	for index, line := range filter {
		lines[index] = unix.SockFilter{Code: line.Op, Jt: line.Jt, Jf: line.Jf, K: line.K}
	}
	program := unix.SockFprog{Len: uint16(len(lines)), Filter: &lines[0]}
	if _, _, problem := unix.RawSyscall(unix.SYS_SECCOMP, unix.SECCOMP_SET_MODE_FILTER, 0, uintptr(unsafe.Pointer(&program))); problem != 0 {
		return fmt.Errorf("seccomp: %w", problem)
	}
	return nil
}

// refusals are the system calls that container runtimes keep from their containers (the default profile of the Open
// Container Initiative's runtimes names them by what is allowed), as far as this architecture has them.
func refusals() seccomp.Policy {
	info, _ := arch.GetInfo("")
	known := func(names ...string) []string {
		var present []string
		for _, name := range names {
			if _, ok := info.SyscallNames[name]; ok {
				present = append(present, name)
			}
		}
		return present
	}
	refused := seccomp.SyscallGroup{
		Action: seccomp.ActionErrno,
		Names: known(
			// Namespaces and mounts.
			"unshare", "setns", "mount", "umount", "umount2", "pivot_root", "chroot", "fsopen", "fsconfig", "fsmount", "fspick",
			"move_mount", "open_tree", "open_tree_attr", "mount_setattr", "statmount", "listmount",
			// Other processes.
			"ptrace", "process_vm_readv", "process_vm_writev", "kcmp", "process_madvise", "pidfd_getfd", "perf_event_open", "lookup_dcookie",
			// The kernel and the machine.
			"bpf", "userfaultfd", "init_module", "finit_module", "delete_module", "create_module", "get_kernel_syms", "query_module",
			"kexec_load", "kexec_file_load", "reboot", "swapon", "swapoff", "acct", "quotactl", "quotactl_fd", "nfsservctl", "vhangup",
			"iopl", "ioperm", "modify_ldt", "personality", "sysfs", "_sysctl", "ustat", "uselib", "syslog",
			"settimeofday", "stime", "clock_settime", "clock_adjtime", "adjtimex", "sethostname", "setdomainname",
			// What is counted or kept beside the room's namespaces.
			"add_key", "request_key", "keyctl", "io_uring_setup", "io_uring_enter", "io_uring_register",
			"open_by_handle_at", "name_to_handle_at", "fanotify_init", "fanotify_mark",
			"move_pages", "migrate_pages", "mbind", "set_mempolicy", "set_mempolicy_home_node",
			"mknod", "mknodat", "memfd_secret", "landlock_create_ruleset", "seccomp",
		),
	}
	// Sockets of the kernel's own kinds; the last that programs use is AF_INET6.
	socket := func(family uint64) seccomp.NameWithConditions {
		return seccomp.NameWithConditions{Name: "socket", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: family}}}
	}
	for _, family := range []uint64{unix.AF_PACKET, unix.AF_ALG, unix.AF_VSOCK, unix.AF_KEY, unix.AF_BLUETOOTH, unix.AF_CAN, unix.AF_TIPC, unix.AF_RDS, unix.AF_XDP, unix.AF_NFC, unix.AF_SMC} {
		refused.NamesWithCondtions = append(refused.NamesWithCondtions, socket(family))
	}
	for _, flag := range []uint64{unix.CLONE_NEWUSER, unix.CLONE_NEWNS, unix.CLONE_NEWNET, unix.CLONE_NEWPID, unix.CLONE_NEWIPC, unix.CLONE_NEWUTS, unix.CLONE_NEWCGROUP} {
		refused.NamesWithCondtions = append(refused.NamesWithCondtions, seccomp.NameWithConditions{
			Name: "clone", Conditions: seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: flag}},
		})
	}
	// Its flags are in memory, where a filter can't look: libraries then use clone.
	absent := seccomp.SyscallGroup{Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS), Names: known("clone3")}
	return seccomp.Policy{DefaultAction: seccomp.ActionAllow, Syscalls: []seccomp.SyscallGroup{absent, refused}}
}
