// Package sandbox takes from the running process what it does not need: user, capabilities, system
// calls, files. Everything here holds for all threads of the process and cannot be undone.
package sandbox

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"unsafe"

	seccomp "github.com/elastic/go-seccomp-bpf"
	"github.com/landlock-lsm/go-landlock/landlock"
	llsys "github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
	"kernel.org/pub/linux/libs/security/libcap/psx"
)

// Identity is a user that a process can become.
type Identity struct {
	UID, GID uint32
	Groups   []uint32 // supplementary
	Name     string   // empty: the user has none
	Why      string   // how it was chosen, for people: "who called sudo"
}

// ownUser is the user that the unprivileged process takes where root itself called and such a user exists.
const ownUser = "pidwire"

// nobody is the kernel's overflow user and group, which own nothing.
const nobody = 65534

// Caller returns whom pidwire works for: the user who called sudo, doas or pkexec; without these the
// process's own user. root alone is replaced: by the user pidwire if there is one, else by nobody.
func Caller() Identity {
	if uid := os.Geteuid(); uid != 0 {
		id := Identity{UID: uint32(uid), GID: uint32(os.Getegid()), Why: "who called"}
		if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
			id.Name = u.Username
		}
		groups, _ := os.Getgroups()
		for _, g := range groups {
			id.Groups = append(id.Groups, uint32(g))
		}
		return id
	}
	for _, by := range []struct{ uid, gid, why string }{
		{os.Getenv("SUDO_UID"), os.Getenv("SUDO_GID"), "who called sudo"},
		{os.Getenv("PKEXEC_UID"), "", "who called pkexec"},
	} {
		uid, err := strconv.ParseUint(by.uid, 10, 32)
		if err != nil || uid == 0 {
			continue
		}
		if u, err := user.LookupId(by.uid); err == nil {
			return identity(u, by.why)
		}
		id := Identity{UID: uint32(uid), GID: nobody, Why: by.why}
		if gid, err := strconv.ParseUint(by.gid, 10, 32); err == nil {
			id.GID = uint32(gid)
		}
		return id
	}
	if name := os.Getenv("DOAS_USER"); name != "" && name != "root" {
		if u, err := user.Lookup(name); err == nil && u.Uid != "0" {
			return identity(u, "who called doas")
		}
	}
	if u, err := user.Lookup(ownUser); err == nil && u.Uid != "0" {
		return identity(u, "root called, and there is a user "+ownUser)
	}
	return Identity{UID: nobody, GID: nobody, Name: "nobody", Why: "root called, and there is no user " + ownUser}
}

// identity is a user of the user database, with all groups.
func identity(u *user.User, why string) Identity {
	number := func(s string) uint32 {
		n, err := strconv.ParseUint(s, 10, 32)
		if err != nil {
			return nobody
		}
		return uint32(n)
	}
	id := Identity{UID: number(u.Uid), GID: number(u.Gid), Name: u.Username, Why: why}
	groups, _ := u.GroupIds()
	for _, g := range groups {
		id.Groups = append(id.Groups, number(g))
	}
	return id
}

// Owner returns who owns the files that are written for an identity: root where root itself called, for
// a file of nobody's would be lost to whoever asked for it.
func (id Identity) Owner() (uid, gid uint32) {
	if os.Geteuid() == 0 && os.Getenv("SUDO_UID") == "" && os.Getenv("PKEXEC_UID") == "" && os.Getenv("DOAS_USER") == "" {
		return 0, 0
	}
	return id.UID, id.GID
}

// Become makes the process that user. Where the kernel does not let it (a user namespace without that
// user, no CAP_SETUID) it stays who it is; the error says so.
func Become(id Identity) error {
	if os.Geteuid() != 0 {
		return nil // it is who called
	}
	groups := make([]int, len(id.Groups))
	for i, g := range id.Groups {
		groups[i] = int(g)
	}
	// The runtime does these in all threads.
	err := syscall.Setgroups(groups)
	if e := syscall.Setresgid(int(id.GID), int(id.GID), int(id.GID)); err == nil {
		err = e
	}
	if e := syscall.Setresuid(int(id.UID), int(id.UID), int(id.UID)); err == nil {
		err = e
	}
	if err != nil {
		return fmt.Errorf("becoming user %d: %w", id.UID, err)
	}
	return nil
}

// OwnProc reports whether /proc is that of this process's pid namespace. In another one's the threads that it
// lists have other ids, which here are those of other processes.
func OwnProc() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// everywhere does what takes system calls in all threads, or says why it cannot be done. What fails keeps
// nothing else from being done.
func everywhere(steps ...func() error) error {
	if err := allThreads(); err != nil {
		return err
	}
	var all error
	for _, step := range steps {
		all = errors.Join(all, step())
	}
	return all
}

// KeepCaps gives up all capabilities but these, of those the process has: none without arguments.
func KeepCaps(keep ...uint) error {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var have [2]unix.CapUserData
	if err := unix.Capget(&head, &have[0]); err != nil {
		return fmt.Errorf("reading capabilities: %w", err)
	}
	var want [2]uint32
	for _, c := range keep {
		want[c/32] |= 1 << (c % 32)
	}
	for i := range have {
		have[i].Permitted &= want[i]
		have[i].Effective = have[i].Permitted
		have[i].Inheritable = 0
	}
	// Kernels without ambient capabilities (before 4.3) refuse this, and have none.
	_, _, _ = psx.Syscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&have[0])), 0)
	runtime.KeepAlive(&head)
	runtime.KeepAlive(&have)
	if errno != 0 {
		return fmt.Errorf("giving up capabilities: %w", errno)
	}
	return nil
}

// noNewPrivs keeps the process, and what it may exec, from gaining privilege. The filter of system calls
// does it too, by TSYNC: this is for kernels without filters.
func noNewPrivs() error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("no_new_privs: %w", errno)
	}
	return nil
}

// resolverFiles are what Go's resolver reads.
var resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"}

// Supported reports what of a sandbox this kernel has: seccomp filters, and the version of Landlock's
// ABI, 0 without.
func Supported() (filters bool, landlockABI int) {
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil {
		abi = 0
	}
	return seccomp.Supported(), abi
}

// Rest confines the unprivileged process: no capability, no exec, no file that is not open yet, no
// socket. With resolve it may ask DNS, and read what says whom to ask. Landlock is used where the kernel
// has it; the filter of system calls holds everywhere.
func Rest(resolve bool) error {
	// A process of the same user must not be able to take what this one has read.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core dumps and ptrace: %w", err)
	}
	err := everywhere(func() error { return KeepCaps() }, noNewPrivs, func() error { return restrictFiles(resolve) })
	if resolve {
		return errors.Join(err, filter(slices.Concat(always, resolving), restConditions(true)))
	}
	return errors.Join(err, filter(always, restConditions(false)))
}

// restrictFiles is the part of Rest that Landlock does.
func restrictFiles(resolve bool) error {
	var err error
	if resolve {
		// Answers come to a UDP socket, which newer versions of Landlock would want rules for.
		err = landlock.V5.BestEffort().Restrict(landlock.ROFiles(resolverFiles...).IgnoreIfMissing(), landlock.ConnectTCP(53))
	} else {
		err = landlock.V8.BestEffort().Restrict()
	}
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// Collector confines the privileged process once everything is loaded: it keeps the capabilities that
// are named, and the system calls that it works and ends with.
func Collector(keep ...uint) error {
	err := everywhere(func() error { return KeepCaps(keep...) }, noNewPrivs)
	return errors.Join(err, filter(slices.Concat(always, collecting), collectorConditions()))
}
