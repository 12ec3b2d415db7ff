package sandbox

import (
	"fmt"
	"os"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/elastic/go-seccomp-bpf/arch"
	"golang.org/x/sys/unix"
)

// always are the system calls that a Go program needs to use its open descriptors, memory and threads. None of
// them opens a file or starts a process.
var always = []string{
	// open files and pipes
	"read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "close", "fstat", "fsync", "fdatasync", "ftruncate",
	"fcntl", "dup", "dup3", "ioctl", "poll", "ppoll", "select", "pselect6", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
	"epoll_pwait2", "eventfd2", "pipe2", "sendmsg", "recvmsg", "shutdown", "splice",
	// memory
	"mmap", "munmap", "mremap", "mprotect", "madvise", "mincore", "brk", "membarrier",
	// threads, signals and time
	"futex", "sched_yield", "sched_getaffinity", "nanosleep", "clock_nanosleep", "clock_gettime", "clock_getres", "gettimeofday", "time",
	"rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "rt_sigtimedwait", "sigaltstack", "gettid", "getpid", "getppid", "exit", "exit_group",
	"set_robust_list", "rseq", "arch_prctl", "restart_syscall", "timer_create", "timer_settime", "timer_delete", "setitimer",
	// attributes of the process
	"getrandom", "getrusage", "getuid", "geteuid", "getgid", "getegid", "getgroups", "uname", "sysinfo", "capget",
}

// resolving are the additional system calls for DNS queries.
var resolving = []string{
	"openat", "newfstatat", "statx", "connect", "bind", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom", "sendmmsg", "recvmmsg",
}

// collecting are the additional system calls of the privileged process: for /proc, netlink, eBPF, and for undoing
// its changes.
var collecting = []string{
	"openat", "openat2", "open", "readlink", "readlinkat", "newfstatat", "stat", "lstat", "statx", "statfs", "fstatfs", "getdents64", "access", "faccessat", "faccessat2",
	"mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "rename", "renameat", "renameat2", "flock", "fchmod", "fchown", "getcwd",
	"connect", "bind", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom", "sendmmsg", "recvmmsg", "socketpair",
	"kill", "wait4", "waitid", "pidfd_send_signal", "setns",
}

// conditional is a system call that is allowed only if its arguments meet all conditions.
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

// threadsOnly returns conditions that let a process create threads, and signal only its own threads.
func threadsOnly() []conditional {
	return []conditional{
		{"tgkill", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: uint64(os.Getpid())}}},
		{"clone", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.BitsSet, Value: unix.CLONE_THREAD}}},
		// The runtime and libc name memory and threads.
		{"prctl", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_VMA}}},
		{"prctl", seccomp.ArgumentConditions{{Argument: 0, Operation: seccomp.Equal, Value: unix.PR_SET_NAME}}},
		// Only reading a limit: the third argument, new_limit, must be NULL.
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
	// Maps and programs that are loaded may be used and detached; none may be loaded or created.
	return append(list, conditional{"bpf", seccomp.ArgumentConditions{
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfProgLoad},
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfMapCreate},
		{Argument: 0, Operation: seccomp.NotEqual, Value: bpfBTFLoad},
	}})
}

// filter installs a seccomp filter in all threads, which fails all other system calls with EPERM, including
// those of another architecture's table (int 0x80).
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
		// No architecture has all of them: arm64 has no open or poll.
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
			// libc creates threads with clone3, and falls back to clone on ENOSYS. The flags of clone3 are
			// in memory, which a filter cannot read.
			{Names: []string{"clone3"}, Action: seccomp.ActionErrno | seccomp.Action(unix.ENOSYS)},
		},
	}, nil
}
