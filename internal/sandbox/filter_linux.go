package sandbox

import (
	"fmt"
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// always are the system calls that a Go program makes with what it has open already, and none that
// opens, starts or changes something else.
var always = []string{
	// files and pipes that are open
	"read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "close", "fstat", "fsync", "fdatasync", "ftruncate",
	"fcntl", "dup", "dup3", "ioctl", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2", "pipe2", "sendmsg", "recvmsg", "shutdown", "splice",
	// memory
	"mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "brk", "membarrier",
	// threads, signals and time
	"futex", "sched_yield", "sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "gettid", "getpid", "getppid", "exit", "exit_group",
	"set_robust_list", "rseq", "arch_prctl", "restart_syscall", "timer_create", "timer_settime", "timer_delete", "setitimer",
	// what the process is
	"getrandom", "getrusage", "getuid", "geteuid", "getgid", "getegid", "getgroups", "uname", "sysinfo", "capget",
}

// resolving are those that asking DNS takes.
var resolving = []string{
	"openat", "newfstatat", "statx", "connect", "bind", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom", "sendmmsg", "recvmmsg",
}

// collecting are those of the privileged process: /proc, netlink, eBPF, and putting back what was changed.
var collecting = []string{
	"openat", "openat2", "open", "readlink", "readlinkat", "newfstatat", "stat", "lstat", "statx", "statfs", "fstatfs", "getdents64", "access", "faccessat", "faccessat2",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "flock", "fchmod", "fchown", "getcwd",
	"connect", "bind", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom", "sendmmsg", "recvmmsg", "socketpair",
	"kill", "wait4", "waitid", "pidfd_send_signal", "setns",
}

// conditional is a system call that only some arguments allow: all of the conditions must hold.
type conditional struct {
	name string
	when seccomp.ArgumentConditions
}

// Commands of bpf(2) (enum bpf_cmd).
const (
	bpfMapCreate = 0
	bpfProgLoad  = 5
	bpfBTFLoad   = 18
)

// threadsOnly lets a process make threads of its own and signal them, and nobody else.
func threadsOnly() []conditional {
	return []conditional{
		{"tgkill", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: uint64(os.Getpid())}}},
		{"clone", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		// The runtime and libc name memory and threads.
		{"prctl", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_VMA}}},
		{"prctl", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_NAME}}},
		// Reading a limit: a new one would be given as the third argument.
		{"prlimit64", seccomp.ArgumentConditions{{Argument: 2, Operation: seccomp.Equal, Value: 0}}},
	}
}

func sockets(families ...uint64) (list []conditional) {
	for _, f := range families {
		list = append(list, conditional{"socket", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: f}}})
	}
	return list
}

func restConditions(resolve bool) []conditional {
	if resolve {
		return append(threadsOnly(), sockets(unix.AF_INET, unix.AF_INET6)...)
	}
	return threadsOnly()
}

func collectorConditions() []conditional {
	list := append(threadsOnly(), sockets(unix.AF_UNIX, unix.AF_NETLINK)...)
	// What is loaded may be asked and taken back; nothing is added to it.
	return append(list, conditional{"bpf", seccomp.ArgumentConditions{
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfProgLoad},
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfMapCreate},
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfBTFLoad},
	}})
}

// filter has the kernel refuse, with EPERM, all other system calls in all threads. Calls of another
// architecture's table (int 0x80) are refused too.
func filter(names []string, conditions []conditional) error {
	policy, err := policyOf(names, conditions)
	if err != nil {
		return err
	}
	return seccomp.LoadFilter(seccomp.Filter{NoNewPrivs: true, Flag: seccomp.FilterFlagTSync, Policy: policy})
}

func policyOf(names []string, conditions []conditional) (seccomp.Policy, error) {
	here, err := arch.GetInfo("")
	if err != nil {
		return seccomp.Policy{}, fmt.Errorf("seccomp: %w", err)
	}
	allow := seccomp.SyscallGroup{Action: seccomp.ActionAllow}
	for _, n := range names {
		// Each table lacks some: open, poll and others are not there on arm64.
		if _, ok := here.SyscallNames[n]; ok {
			allow.Names = append(allow.Names, n)
		}
	}
	for _, c := range conditions {
		allow.NamesWithCondtions = append(allow.NamesWithCondtions, seccomp.NameWithConditions{Name: c.name, Conditions: c.when})
	}
	return seccomp.Policy{
		DefaultAction: seccomp.ActionErrno,
		Syscalls: []seccomp.SyscallGroup{
			allow,
			// libc makes threads with it, and goes on with clone where the kernel has no clone3: its flags
			// are in memory, where a filter cannot look.
			{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)},
		},
	}, nil
}
