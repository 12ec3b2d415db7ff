// Package sandbox drops privileges of the running process: user, capabilities, system calls, files.
// All of its changes apply to all threads of the process and cannot be undone.
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

// Identity is a user to which a process can switch.
type Identity struct {
	UID, GID uint32
	Groups   []uint32 // supplementary groups
	Name     string   // empty if the user is not in the user database
	Why      string   // why it was chosen, as text to print: "caller of sudo"
}

// ownUser is the user of the unprivileged process if root itself has called and such a user exists.
const ownUser = "pidwire"

// nobody is the kernel's default overflow uid and gid, which own no files.
const nobody = 65534

// Caller returns the user for whom pidwire works: the one who called sudo, doas or pkexec, or else that of the
// process. Instead of root it returns the user pidwire if there is one, else nobody.
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
		{os.Getenv("SUDO_UID"), os.Getenv("SUDO_GID"), "caller of sudo"},
		{os.Getenv("PKEXEC_UID"), "", "caller of pkexec"},
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
			return identity(u, "caller of doas")
		}
	}
	if u, err := user.Lookup(ownUser); err == nil && u.Uid != "0" {
		return identity(u, "called by root, and there is a user "+ownUser)
	}
	return Identity{UID: nobody, GID: nobody, Name: "nobody", Why: "called by root, and there is no user " + ownUser}
}

// identity returns the Identity of a user of the user database, with all groups.
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

// Owner returns the owner for files that are written for an identity. It is root if root itself has called,
// because a file of nobody would not belong to the caller.
func (id Identity) Owner() (uid, gid uint32) {
	if os.Geteuid() == 0 && os.Getenv("SUDO_UID") == "" && os.Getenv("PKEXEC_UID") == "" && os.Getenv("DOAS_USER") == "" {
		return 0, 0
	}
	return id.UID, id.GID
}

// Become switches the process to that user. It does nothing if the process is not root. It returns an error if
// the kernel refuses (no such user in the user namespace, no CAP_SETUID).
func Become(id Identity) error {
	if os.Geteuid() != 0 {
		return nil // it already runs as the caller
	}
	groups := make([]int, len(id.Groups))
	for i, g := range id.Groups {
		groups[i] = int(g)
	}
	// The runtime makes these calls in all threads.
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

// OwnProc reports whether /proc is that of this process's pid namespace. In the /proc of another one, the
// tids of our threads are different numbers, which here may be those of other processes.
func OwnProc() bool {
	self, err := os.Readlink("/proc/self")
	return err == nil && self == strconv.Itoa(os.Getpid())
}

// everywhere runs steps that make system calls in all threads, and joins their errors. A failed step does
// not prevent the next ones. It runs none if system calls cannot be made in all threads.
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

// KeepCaps drops all capabilities except those in keep, by number. Without arguments it drops all.
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
	// Fails on kernels without ambient capabilities (before 4.3), where it is not needed.
	_, _, _ = psx.Syscall6(unix.SYS_PRCTL, unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0, 0)
	_, _, errno := psx.Syscall3(unix.SYS_CAPSET, uintptr(unsafe.Pointer(&head)), uintptr(unsafe.Pointer(&have[0])), 0)
	runtime.KeepAlive(&head)
	runtime.KeepAlive(&have)
	if errno != 0 {
		return fmt.Errorf("dropping capabilities: %w", errno)
	}
	return nil
}

// noNewPrivs sets PR_SET_NO_NEW_PRIVS in all threads. The seccomp filter does so too, by TSYNC; this is for
// kernels without seccomp filters.
func noNewPrivs() error {
	if _, _, errno := psx.Syscall6(unix.SYS_PRCTL, unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0, 0); errno != 0 {
		return fmt.Errorf("no_new_privs: %w", errno)
	}
	return nil
}

// resolverFiles are the files that Go's resolver reads.
var resolverFiles = []string{"/etc/resolv.conf", "/etc/hosts", "/etc/nsswitch.conf", "/etc/gai.conf", "/etc/services"}

// Supported reports whether this kernel has seccomp filters, and returns the version of its Landlock ABI, or 0
// if it has no Landlock.
func Supported() (filters bool, landlockABI int) {
	abi, err := llsys.LandlockGetABIVersion()
	if err != nil {
		abi = 0
	}
	return seccomp.Supported(), abi
}

// Rest confines the unprivileged process: it has no capabilities and can neither exec nor open files or sockets.
// With resolve it can query DNS and read the files for that. Landlock is used if the kernel has it; the
// seccomp filter is always used.
func Rest(resolve bool) error {
	// Other processes of the same user must not be able to read the memory of this one.
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbidding core dumps and ptrace: %w", err)
	}
	err := everywhere(func() error { return KeepCaps() }, noNewPrivs, func() error { return restrictFiles(resolve) })
	if resolve {
		return errors.Join(err, filter(slices.Concat(always, resolving), restConditions(true)))
	}
	return errors.Join(err, filter(always, restConditions(false)))
}

// restrictFiles applies the Landlock rules of Rest.
func restrictFiles(resolve bool) error {
	var err error
	if resolve {
		// V5, because newer versions of Landlock need rules for the UDP socket that receives answers.
		err = landlock.V5.BestEffort().Restrict(landlock.ROFiles(resolverFiles...).IgnoreIfMissing(), landlock.ConnectTCP(53))
	} else {
		err = landlock.V8.BestEffort().Restrict()
	}
	if err != nil {
		return fmt.Errorf("landlock: %w", err)
	}
	return nil
}

// Collector confines the privileged process after everything is loaded: it keeps the capabilities in keep, and
// the system calls that it needs to run and to clean up.
func Collector(keep ...uint) error {
	err := everywhere(func() error { return KeepCaps(keep...) }, noNewPrivs)
	return errors.Join(err, filter(slices.Concat(always, collecting), collectorConditions()))
}
