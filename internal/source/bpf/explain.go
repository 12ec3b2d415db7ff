//go:build linux

package bpf

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pidwire/pidwire/internal/source/bpf/load"
)

// Cause is the reason why eBPF cannot be used on this machine, and how to fix that.
type Cause struct {
	Text string
	Fix  []string
}

// Capabilities by number (linux/capability.h).
const (
	capSysAdmin = 21
	capPerfmon  = 38
	capBPF      = 39
)

// Explain finds the cause of an error of New. It checks privileges, limits and kernel settings,
// which the error itself does not tell.
func Explain(err error) (Cause, bool) {
	if errors.Is(err, load.ErrNamespace) {
		return Cause{
			Text: "pids of this namespace cannot be translated to those of the host: " + err.Error(),
			Fix:  []string{"mount its own /proc there: mount -t proc proc /proc", "or run it on the host, or in a container with --pid host"},
		}, true
	}
	var known interface{ Fix() string }
	if errors.As(err, &known) {
		return Cause{Text: err.Error(), Fix: []string{known.Fix()}}, true
	}
	if errors.Is(err, unix.EMFILE) || strings.Contains(err.Error(), unix.EMFILE.Error()) { // the library does not wrap all of these errors
		var limit unix.Rlimit
		_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) // 0 then
		return Cause{
			Text: fmt.Sprintf("too many open files: the limit is %d, and programs, maps and links need up to 500 while they are loaded", limit.Max),
			Fix:  []string{"ulimit -n 1024"},
		}, true
	}
	if errors.Is(err, unix.ENOMEM) {
		return Cause{
			Text: "the kernel cannot allocate memory: " + err.Error(),
			Fix:  []string{"use --buffer 8MiB; pidwire doctor shows what the memory limit leaves"},
		}, true
	}
	if !errors.Is(err, os.ErrPermission) && !errors.Is(err, unix.EPERM) {
		if _, e := os.Stat("/sys/kernel/btf/vmlinux"); e != nil {
			return Cause{
				Text: "this kernel has no BTF (/sys/kernel/btf/vmlinux): it was built without CONFIG_DEBUG_INFO_BTF",
				Fix:  []string{"use a distribution kernel, 5.10 or later"},
			}, true
		}
		return Cause{}, false
	}
	caps, capErr := effectiveCaps()
	has := func(n uint) bool { return caps&(1<<n) != 0 }
	rootless := os.Geteuid() != 0
	again := "sudo " + strings.Join(os.Args, " ")
	switch {
	case capErr != nil:
		return Cause{Text: "not permitted, and /proc/self/status cannot be read: " + capErr.Error()}, true
	case rootless && caps == 0:
		return Cause{
			Text: fmt.Sprintf("loading eBPF programs needs privilege; this is user %d without capabilities", os.Geteuid()),
			Fix:  []string{"run once:    " + again, "or for good: sudo setcap cap_bpf,cap_perfmon,cap_net_admin,cap_sys_ptrace,cap_syslog,cap_dac_read_search+ep " + self()},
		}, true
	case !has(capSysAdmin) && !(has(capBPF) && has(capPerfmon)):
		return Cause{
			Text: "loading eBPF programs needs the capabilities BPF and PERFMON (or SYS_ADMIN), which this process does not have",
			Fix:  []string{"in a container: docker run --privileged, or --cap-add BPF --cap-add PERFMON --cap-add NET_ADMIN --cap-add SYS_PTRACE --pid host", "else:           " + again},
		}, true
	}
	if l := lockdown(); l == "confidentiality" {
		return Cause{
			Text: "kernel lockdown is in mode confidentiality, which forbids eBPF programs to read kernel memory",
			Fix:  []string{"boot with lockdown=integrity or without it (it comes with Secure Boot on some distributions)"},
		}, true
	}
	if inUserNamespace() {
		return Cause{
			Text: "this process is in a user namespace: its capabilities are not valid for the host's kernel",
			Fix:  []string{"run it on the host, or in a container without user namespaces"},
		}, true
	}
	if s := seccompMode(); s == "2" {
		return Cause{
			Text: "a seccomp filter of this process forbids bpf(2)",
			Fix:  []string{"in a container: --security-opt seccomp=unconfined"},
		}, true
	}
	return Cause{Text: "the kernel refused: " + err.Error()}, true
}

func self() string {
	if p, err := os.Executable(); err == nil {
		return p
	}
	return "pidwire"
}

func statusField(name string) (string, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v), nil
		}
	}
	return "", fmt.Errorf("no %s in /proc/self/status", name)
}

func effectiveCaps() (uint64, error) {
	v, err := statusField("CapEff")
	if err != nil {
		return 0, err
	}
	var caps uint64
	_, err = fmt.Sscanf(v, "%x", &caps)
	return caps, err
}

func seccompMode() string {
	v, _ := statusField("Seccomp")
	return v
}

// lockdown returns the current mode, which is in brackets in /sys/kernel/security/lockdown.
func lockdown() string {
	b, _ := os.ReadFile("/sys/kernel/security/lockdown")
	_, rest, _ := strings.Cut(string(b), "[")
	mode, _, _ := strings.Cut(rest, "]")
	return mode
}

// inUserNamespace reports whether uid 0 is mapped to another uid of the host.
func inUserNamespace() bool {
	b, err := os.ReadFile("/proc/self/uid_map")
	if err != nil {
		return false
	}
	fields := strings.Fields(string(b))
	return len(fields) < 3 || fields[0] != "0" || fields[1] != "0" || fields[2] != "4294967295"
}
